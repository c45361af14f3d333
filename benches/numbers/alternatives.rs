//! What one would pick instead, in the same run: the Avro crate's `Value`, and a key per record.

use crate::figures::Figures;
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use conclave::log::rocks::RocksLog;
use conclave::log::{DecisionRecord, LogReader};
use conclave::wire::schemas::DECISION_SCHEMA;
use conclave::wire::{decode_decision, encode_decision};
use conclave_core::units::Offset;
use rocksdb::{DB, DBCompressionType, Options, WriteBatch};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

/// Bytes of decisions that are taken from a log.
const SAMPLE_BYTES: usize = 16 * 1024 * 1024;

/// Decisions of `log` decoded and encoded by us and through the crate's `Value`.
pub(crate) fn avro(log: &RocksLog, from: Offset, figures: &mut Figures) {
    let records = log.decisions(from, SAMPLE_BYTES).expect("the log is sound");
    let schema = Schema::parse_str(DECISION_SCHEMA).expect("our own schema");
    let reader = GenericDatumReader::builder(&schema).build().expect("our own schema");
    let writer = GenericDatumWriter::builder(&schema).build().expect("our own schema");

    let started = Instant::now();
    let decisions: Vec<_> =
        records.iter().map(|record| decode_decision(&record.body).expect("ours")).collect();
    let ours_decode = each_us(started, records.len());
    let started = Instant::now();
    let values: Vec<_> =
        records.iter().map(|record| reader.read_value(&mut &record.body[..])).collect();
    let value_decode = each_us(started, records.len());

    let started = Instant::now();
    for decision in &decisions {
        black_box(encode_decision(decision));
    }
    let ours_encode = each_us(started, records.len());
    let started = Instant::now();
    for (value, record) in values.into_iter().zip(&records) {
        let mut bytes = Vec::new();
        writer.write_value(&mut bytes, value.expect("ours")).expect("ours");
        assert_eq!(bytes, record.body, "both write the same");
    }
    let value_encode = each_us(started, records.len());

    figures.add("decision decode, ours", ours_decode, "µs");
    figures.add("decision decode, apache-avro Value / ours", value_decode / ours_decode, "times");
    figures.add("decision encode, ours", ours_encode, "µs");
    figures.add("decision encode, apache-avro Value / ours", value_encode / ours_encode, "times");
}

/// Decisions of `log` stored in rounds: as one value per round, and as one key per decision.
pub(crate) fn store(
    log: &RocksLog,
    from: Offset,
    round: usize,
    parent: &Path,
    figures: &mut Figures,
) {
    let records = log.decisions(from, 4 * SAMPLE_BYTES).expect("the log is sound");
    let by_round = write_rounds(&records, round, parent, |batch, records| {
        let mut value = Vec::new();
        records.iter().for_each(|record| value.extend_from_slice(&record.body));
        batch.put(records[0].offset.0.to_be_bytes(), value);
    });
    let by_record = write_rounds(&records, round, parent, |batch, records| {
        for record in records {
            batch.put(record.offset.0.to_be_bytes(), &record.body);
        }
    });
    figures.add("decision stored, one value per round", by_round, "µs");
    figures.add("decision stored, key per record / per round", by_record / by_round, "times");
}

fn write_rounds(
    records: &[DecisionRecord],
    round: usize,
    parent: &Path,
    put: impl Fn(&mut WriteBatch, &[DecisionRecord]),
) -> f64 {
    let directory = tempfile::tempdir_in(parent).expect("there is room for a directory");
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::Lz4);
    let db = DB::open(&options, directory.path()).expect("an empty directory");
    let started = Instant::now();
    for records in records.chunks(round) {
        let mut batch = WriteBatch::default();
        put(&mut batch, records);
        db.write(batch).expect("there is room on the disk");
    }
    db.flush().expect("there is room on the disk");
    each_us(started, records.len())
}

fn each_us(started: Instant, count: usize) -> f64 {
    started.elapsed().as_secs_f64() * 1e6 / count as f64
}
