//! Readers of published cluster traces. A row that cannot be read is reported by file, line and
//! column, and what is done about it is the caller's choice: nothing is skipped unasked.

pub mod openb;
pub mod philly;
pub mod slurm;
pub mod table;
