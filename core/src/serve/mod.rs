//! To be filled: serve.
