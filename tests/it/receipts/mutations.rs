//! Every change of a receipt is noticed, by name.
