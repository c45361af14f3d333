//! Readers of published cluster traces. A row that cannot be read is an error that names file and
//! line: nothing is skipped.

pub mod openb;
