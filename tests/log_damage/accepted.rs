//! An acceptance that a crash interrupted, and evidence of more than one loss.

use super::*;

/// The state that a crash leaves between the two renames of an acceptance at `lost`: the damaged
/// store is set aside, the new one has not taken its place, `heads.log` is the old one.
fn interrupted_at(lost: i64) -> TempDir {
    let left = killed();
    cut(store_files(left.path(), "log").last().unwrap(), 200);
    let accepted = tempfile::tempdir().unwrap();
    copy_directory(left.path(), accepted.path());
    drop(accept(accepted.path(), lost).unwrap());
    fs::rename(left.path().join("rocks"), left.path().join(format!("rocks.lost-{lost}"))).unwrap();
    copy_directory(&accepted.path().join("rocks"), &left.path().join("rocks.new"));
    let heads_lost = heads::path_of_lost(left.path(), Offset(lost));
    fs::copy(heads::path(left.path()), heads_lost).unwrap();
    left
}

#[test]
fn a_crash_between_the_renames_is_finished_with_the_new_store() {
    let lost = END - ROUND;
    let left = interrupted_at(lost);
    // An older loss at the same offset: its evidence must not come back.
    let lost_first = left.path().join(format!("rocks.lost-{lost}"));
    fs::rename(&lost_first, left.path().join(format!("rocks.lost-{lost}.2"))).unwrap();
    fs::create_dir(&lost_first).unwrap();
    fs::write(lost_first.join("evidence"), "of an earlier loss").unwrap();

    assert_eq!(named_offset(&open(left.path()).unwrap_err()), lost);
    let reader = RocksReader::open(left.path()).unwrap();
    assert_eq!(check_all(&reader), (END, lost), "a reader sees what is left");
    assert!(reader.damage().is_some());
    assert_eq!(reader.lost_from().unwrap(), Some(Offset(lost)));
    drop(reader);
    assert_eq!(accept(left.path(), lost + 1).unwrap_err().kind, ErrorKind::Corrupt);
    assert_eq!(check_all(&accept(left.path(), lost).unwrap()), (END, lost));
    assert_eq!(check_all(&open(left.path()).unwrap()), (END, lost));
    assert!(lost_first.join("evidence").exists());
    assert!(!left.path().join("rocks.new").exists());
}

#[test]
fn it_is_finished_as_well_when_heads_log_names_nothing_that_is_lost() {
    let lost = END - ROUND;
    let left = interrupted_at(lost);
    for named in [LogEnds::default(), heads_before(lost)] {
        let again = tempfile::tempdir().unwrap();
        copy_directory(left.path(), again.path());
        heads::replace(again.path(), &named).unwrap();
        assert_eq!(named_offset(&open(again.path()).unwrap_err()), lost, "no new log is made");
        assert_eq!(check_all(&accept(again.path(), lost).unwrap()), (END, lost));
    }
}

fn heads_before(next: i64) -> LogEnds {
    let (commands_next, decisions_next) = (Offset(next), Offset(next));
    LogEnds { commands_next, decisions_next, head: decision(next - 1).hash }
}

#[test]
fn a_crash_before_heads_log_is_replaced_is_accepted_once_more() {
    let lost = END - ROUND;
    let left = interrupted_at(lost);
    fs::rename(left.path().join("rocks.new"), left.path().join("rocks")).unwrap();
    assert_eq!(named_offset(&open(left.path()).unwrap_err()), lost);
    assert_eq!(check_all(&accept(left.path(), lost).unwrap()), (END, lost));
}

#[test]
fn a_copy_that_a_crash_left_half_made_is_made_anew() {
    let left = killed();
    cut(store_files(left.path(), "log").last().unwrap(), 200);
    fs::create_dir(left.path().join("rocks.new")).unwrap();
    fs::write(left.path().join("rocks.new/CURRENT"), "MANIFEST-000").unwrap();
    assert_eq!(check_all(&accept(left.path(), END - ROUND).unwrap()), (END, END - ROUND));
}

#[test]
fn the_evidence_of_two_losses_at_one_offset_is_kept() {
    let left = killed();
    let lost = END - ROUND;
    cut(store_files(left.path(), "log").last().unwrap(), 200);
    let first_named = fs::read(heads::path(left.path())).unwrap();
    drop(accept(left.path(), lost).unwrap());
    heads::replace(left.path(), &LogEnds { commands_next: Offset(END + 5), ..heads_before(lost) })
        .unwrap();
    fs::remove_file(heads::path(left.path())).unwrap();
    fs::write(heads::path(left.path()), "not what was written").unwrap();
    drop(accept(left.path(), lost).unwrap());
    let heads_lost = heads::path_of_lost(left.path(), Offset(lost));
    assert_eq!(fs::read(&heads_lost).unwrap(), first_named);
    let second = fs::read_to_string(heads_lost.with_added_extension("2")).unwrap();
    assert_eq!(second, "not what was written");
    for store in [format!("rocks.lost-{lost}"), format!("rocks.lost-{lost}.2")] {
        assert!(left.path().join(store).join("CURRENT").exists());
    }
}
