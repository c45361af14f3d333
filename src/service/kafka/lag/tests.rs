use super::*;

fn look(first: Option<(i64, i64)>) -> Look {
    Look {
        at: TimeMs(10_000),
        decided: Offset(40),
        commands: Offset(50),
        first: first.map(|(offset, time_ms)| (Offset(offset), TimeMs(time_ms))),
        open_records: 0,
        group: Committed::Before(Offset(40)),
        gap: 0,
    }
}

#[test]
fn lag_grows_until_the_first_undecided_command_is_decided() {
    let lag = |records, ms| Lag { records, age: Duration::from_millis(ms) };
    let waiting = look(Some((42, 9_700)));
    assert_eq!(waiting.lag(Offset(40), TimeMs(11_000)), lag(8, 1_300), "it still waits");
    assert_eq!(waiting.lag(Offset(42), TimeMs(11_000)), lag(8, 1_300), "those before it");
    assert_eq!(waiting.lag(Offset(43), TimeMs(11_000)), lag(8, 300), "as at the look");
    assert_eq!(look(None).lag(Offset(40), TimeMs(11_000)), lag(0, 0), "marks alone");
    let ahead = look(Some((42, 99_000)));
    assert_eq!(ahead.lag(Offset(40), TimeMs(11_000)), lag(8, 0), "clocks differ");
}

#[test]
fn only_what_lasts_is_a_gap() {
    let before = look(None);
    let check = |group: Option<i64>, decided: i64, expected: i64| {
        let group = Committed::of(group.map(Offset));
        let found = gap(Some(&before), group, Offset(decided));
        assert_eq!(found, expected, "{group:?} {decided}");
    };
    check(Some(45), 40, 0); // The mark of the decisions comes a moment later.
    check(Some(40), 47, 0); // Decided between the two questions.
    check(Some(40), 38, 2); // The group counts two commands that have no decision.
    check(Some(31), 47, 9); // Somebody set the group back.
    check(None, 47, 0);
    let first = gap(None, Committed::Before(Offset(9)), Offset(3));
    assert_eq!(first, 0, "the first look proves nothing");
}

/// Brokers of two partitions that hold commands up to 50, and do not answer some questions.
#[derive(Default)]
struct Brokers {
    knows_no_group: bool,
    leads_none_of: Option<i32>,
    group_is_silent_of: Option<usize>,
}

fn away<T>() -> Result<T> {
    Err(Error::unavailable("nobody answers"))
}

impl Ends for Brokers {
    fn group_offsets(&self, partitions: i32) -> Result<Vec<Result<Option<Offset>>>> {
        if self.knows_no_group {
            return away();
        }
        let said = |number| match self.group_is_silent_of {
            Some(silent) if silent == number => away(),
            _ => Ok(Some(Offset(40))),
        };
        Ok((0..).take(partitions.try_into().expect("few")).map(said).collect())
    }

    fn of(&self, partition: i32) -> Result<PartitionEnds> {
        match self.leads_none_of {
            Some(away_from) if away_from == partition => away(),
            _ => Ok(PartitionEnds { commands: Offset(50), open_records: 0 }),
        }
    }

    fn first_command(&self, _: i32, from: Offset) -> Result<Option<(Offset, TimeMs)>> {
        Ok(Some((from, TimeMs(9_700))))
    }
}

/// Lets `brokers` be asked when everything was decided up to 40 and nothing behind it is known,
/// in two partitions; whether something failed, and what each of them is then seen as.
fn look_again(brokers: &Brokers, before: Option<Look>) -> (bool, Vec<Option<Look>>) {
    let looks = Looks { latest: Mutex::new(vec![before; 2]) };
    let failed = look_at_all(brokers, |_| Offset(40), &looks, || true);
    let seen = looks.latest().clone();
    (failed.is_some(), seen)
}

#[test]
fn a_question_that_fails_hides_nothing_else() {
    let before = Look { commands: Offset(40), gap: 7, ..look(None) };
    let first = |look: &Option<Look>| look.and_then(|look| look.first.map(|(first, _)| first));
    let gaps = |seen: &[Option<Look>]| [0, 1].map(|number| seen[number].expect("seen").gap);

    let (has_failed, seen) = look_again(&Brokers::default(), Some(before));
    assert!(!has_failed && seen.iter().all(|look| first(look) == Some(Offset(40))), "{seen:?}");
    assert_eq!(gaps(&seen), [0, 0], "it was none");

    let brokers = Brokers { knows_no_group: true, ..Brokers::default() };
    let (has_failed, seen) = look_again(&brokers, Some(before));
    assert!(has_failed && seen.iter().all(|look| first(look) == Some(Offset(40))), "{seen:?}");
    assert_eq!(gaps(&seen), [7, 7], "what was said of the group stands");
    let (_, seen) = look_again(&brokers, None);
    assert!(seen.iter().all(|look| look.expect("seen").group == Committed::Unknown), "{seen:?}");

    let brokers = Brokers { group_is_silent_of: Some(0), ..Brokers::default() };
    let (has_failed, seen) = look_again(&brokers, Some(before));
    assert_eq!((has_failed, gaps(&seen)), (true, [7, 0]));

    // Where not even the group is told of, nobody else is asked: each question takes its time.
    let brokers = Brokers { knows_no_group: true, leads_none_of: Some(0), ..Brokers::default() };
    let (has_failed, seen) = look_again(&brokers, Some(before));
    assert_eq!((has_failed, seen), (true, vec![Some(before); 2]));

    let brokers = Brokers { leads_none_of: Some(0), ..Brokers::default() };
    let (has_failed, seen) = look_again(&brokers, Some(before));
    assert_eq!((has_failed, seen[0]), (true, Some(before)), "it stands, and its age grows");
    assert_eq!(first(&seen[1]), Some(Offset(40)));
}
