//! To be filled: predict.
