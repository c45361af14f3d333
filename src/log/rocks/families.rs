//! Column families and tuning: what the store below is told about our use of it.
//!
//! Keys only grow, values are blocks of up to 256 KiB, nothing is overwritten but one key of
//! `meta`, and reading goes forward. Memory is bounded first, at about 100 MB in all.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel,
    Options,
};

pub(super) const COMMANDS: &str = "commands";
pub(super) const DECISIONS: &str = "decisions";
pub(super) const DEAD_LETTERS: &str = "dead_letters";
pub(super) const SNAPSHOTS: &str = "snapshots";
pub(super) const META: &str = "meta";

const MIB: usize = 1024 * 1024;

/// Memtables of all families together.
const MEMTABLES_BYTES_MAX: usize = 64 * MIB;
/// Write-ahead log of all families together: what an opening and every reader has to go through.
const WAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
const CACHE_BYTES_MAX: usize = 16 * MIB;
const DATA_BLOCK_BYTES: usize = 16 * 1024;
const TABLE_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Options of a store that may have to be made first. Never of one that somebody relies on: where
/// its files are damaged, `RocksDB` would make an empty one of them and remove what is left.
pub(super) fn new_database() -> Options {
    let mut options = database();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options
}

/// Options of the whole store. The recovery mode is the one that
/// `docs/decisions/0001-rocksdb-as-a-ledger.md` chose: it opens over a torn tail and over nothing
/// else.
pub(super) fn database() -> Options {
    let mut options = Options::default();
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_manual_wal_flush(false);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_db_write_buffer_size(MEMTABLES_BYTES_MAX);
    options.set_max_background_jobs(2);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options
}

/// The same for writes without a write-ahead log: all families are flushed up to the same write, so
/// that a crash leaves a beginning of the log and no mixture.
pub(super) fn flushed_together(mut options: Options) -> Options {
    options.set_atomic_flush(true);
    options
}

/// Options for reading beside a writer: every file is opened at once, so that the writer may delete
/// it meanwhile.
pub(super) fn secondary() -> Options {
    let mut options = database();
    options.set_max_open_files(-1);
    options
}

/// Options for reading as much as there is of a damaged store. Skipping is safe here and only here:
/// nothing is written, and a gap shows as one because offsets are dense.
pub(super) fn damaged() -> Options {
    let mut options = database();
    options.set_wal_recovery_mode(DBRecoveryMode::SkipAnyCorruptedRecord);
    // A missing file is opened, and missed, only where something is read from it.
    options.set_paranoid_checks(false);
    options.set_max_open_files(64);
    options
}

/// One descriptor per family.
pub(super) fn descriptors() -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(CACHE_BYTES_MAX);
    let family = |name: &str, memtable_bytes: usize, data_block_bytes: usize| {
        let mut tables = BlockBasedOptions::default();
        tables.set_block_cache(&cache);
        tables.set_block_size(data_block_bytes);
        let mut options = Options::default();
        options.set_block_based_table_factory(&tables);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size(memtable_bytes);
        options.set_target_file_size_base(TABLE_FILE_BYTES);
        ColumnFamilyDescriptor::new(name, options)
    };
    vec![
        family("default", MIB, DATA_BLOCK_BYTES),
        family(COMMANDS, 16 * MIB, DATA_BLOCK_BYTES),
        family(DECISIONS, 16 * MIB, DATA_BLOCK_BYTES),
        family(DEAD_LETTERS, 4 * MIB, DATA_BLOCK_BYTES),
        // One chunk per block: two snapshots never share one that may be damaged.
        family(SNAPSHOTS, 8 * MIB, 1),
        family(META, MIB, DATA_BLOCK_BYTES),
    ]
}
