//! One test per defect that got out, named after its number.
