//! The catalogue of bundled files.
