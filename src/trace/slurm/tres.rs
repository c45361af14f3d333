//! Trackable resources: how many GPUs a list such as `cpu=8,mem=64G,gres/gpu:a100=4` means.

use conclave_core::units::GpuModel;
use std::collections::BTreeMap;

/// GPUs of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gpus {
    /// How many.
    pub count: i64,
    /// Of which models, in order of name; empty when the list names none.
    pub models: Vec<GpuModel>,
}

impl Gpus {
    /// Of the generic count and the counts by type. A list may hold both of the same GPUs, and
    /// Slurm keeps the generic one equal to the sum where it knows it.
    fn of(generic: Option<i64>, typed: &BTreeMap<String, i64>) -> Self {
        let sum: i64 = typed.values().sum();
        let models = typed.iter().filter(|(_, count)| **count > 0);
        let models = models.map(|(name, _)| GpuModel::from(name.as_str()));
        Self { count: generic.unwrap_or(0).max(sum), models: models.collect() }
    }
}

/// The GPUs of a list by names; none when the list is no such list. Whatever else it holds is
/// passed over, shards and slices of GPUs among it.
#[must_use]
pub fn by_name(text: &str) -> Option<Gpus> {
    let (mut generic, mut typed) = (None, BTreeMap::new());
    for item in text.split(',').filter(|item| !item.is_empty()) {
        let (name, amount) = item.split_once('=')?;
        match name.strip_prefix("gres/gpu") {
            Some("") => generic = Some(whole(amount)?),
            Some(model) => {
                let model = model.strip_prefix(':').filter(|model| !model.is_empty());
                if let Some(model) = model {
                    *typed.entry(model.to_owned()).or_insert(0) += whole(amount)?;
                }
            }
            None => {}
        }
    }
    Some(Gpus::of(generic, &typed))
}

/// The first number of a resource that a site may define: GPUs are among those.
const FIRST_OF_SITE: i64 = 1_001;
/// The name for a resource that counts GPUs of every model.
const ANY_MODEL: &str = "gpu";

/// The GPUs of a list by numbers, such as `1=20,2=170000,1002=2`; none when it is no such list.
/// `names` says which numbers of the site are GPUs, and of which model; without any, all of them
/// are.
#[must_use]
pub fn by_number(text: &str, names: &BTreeMap<i64, String>) -> Option<Gpus> {
    let (mut generic, mut typed) = (None, BTreeMap::new());
    for item in text.split(',').filter(|item| !item.is_empty()) {
        let (number, amount) = item.split_once('=')?;
        let number = whole(number)?;
        let name = match names.get(&number) {
            Some(name) => name.clone(),
            None if names.is_empty() && number >= FIRST_OF_SITE => format!("gres-{number}"),
            None => continue,
        };
        let amount = whole(amount)?;
        match name.as_str() {
            ANY_MODEL => generic = Some(amount),
            _ => *typed.entry(name).or_insert(0) += amount,
        }
    }
    Some(Gpus::of(generic, &typed))
}

/// Digits alone, few enough that sums of them fit.
fn whole(text: &str) -> Option<i64> {
    let is_number = (1..=12).contains(&text.len()) && text.bytes().all(|one| one.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(gpus: Option<Gpus>) -> Option<String> {
        gpus.map(|Gpus { count, models }| {
            let models: Vec<String> = models.iter().map(ToString::to_string).collect();
            format!("{count} {}", models.join("|"))
        })
    }

    #[test]
    fn names() {
        let table = [
            ("", Some("0 ")),
            ("billing=8,cpu=8,mem=64G,node=1", Some("0 ")),
            ("cpu=8,gres/gpu=4,mem=64G", Some("4 ")),
            ("gres/gpu:a100=4,cpu=8", Some("4 a100")),
            ("gres/gpu=4,gres/gpu:a100=4", Some("4 a100")),
            ("gres/gpu:a100=2,gres/gpu:v100=1", Some("3 a100|v100")),
            ("gres/gpu=8,gres/gpu:a100=2", Some("8 a100")),
            ("gres/shard=3,gres/gpumem=4G,gres/mps=50", Some("0 ")),
            ("gres/gpu=many", None),
            ("gres/gpu=-1", None),
            ("gres/gpu=9999999999999999", None),
            ("cpu", None),
        ];
        for (text, wanted) in table {
            assert_eq!(shown(by_name(text)).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn numbers() {
        let named = BTreeMap::from([(1_001, "gpu".to_owned()), (1_002, "volta".to_owned())]);
        let table = [
            ("1=20,2=170000,4=1,5=20", Some("0 "), Some("0 ")),
            ("1=1,1002=2", Some("2 gres-1002"), Some("2 volta")),
            ("1=1,1001=2,1002=2", Some("4 gres-1001|gres-1002"), Some("2 volta")),
            ("1=1,1003=2", Some("2 gres-1003"), Some("0 ")),
            ("1002", None, None),
            ("1002=x", None, None),
        ];
        for (text, all, known) in table {
            assert_eq!(shown(by_number(text, &BTreeMap::new())).as_deref(), all, "{text}");
            assert_eq!(shown(by_number(text, &named)).as_deref(), known, "{text}");
        }
    }
}
