//! To be filled: context.
