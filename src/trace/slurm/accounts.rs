//! Who belongs to whom, and how many GPUs an account may hold: what `sacctmgr -P show assoc`
//! prints.

use super::JOB_GPUS_MAX;
use super::tres::by_name;
use crate::error::{Error, Result};
use crate::trace::table::{self, Cells, Format, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const ASSOCIATIONS: Format = Format {
    what: "what `sacctmgr -P show assoc` prints",
    required: &["Account"],
    optional: &["ParentName", "User", "GrpTRES", "MaxTRES"],
    separator: '|',
};

/// The account above all others: no tenant of its own.
const ROOT: &str = "root";

/// An association: an account's, or that of a user in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// Which account.
    pub account: String,
    /// The one above it; none at the top, and of a user.
    pub parent: Option<String>,
    /// Of a user in it.
    pub is_of_a_user: bool,
    /// GPUs that its jobs and those of all below it may hold together.
    pub group_gpus: Option<i64>,
    /// GPUs that each job may have.
    pub job_gpus: Option<i64>,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The one above it; none at the top.
    pub parent: Option<String>,
    /// GPUs that it and all below it may hold together; none where nothing limits it.
    pub limit_gpus: Option<i64>,
}

/// Accounts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// All that the list names.
    pub by_name: BTreeMap<String, Account>,
    /// Limits of users and of single jobs, which a pool has none of.
    pub other_limits: usize,
}

/// Reads what `sacctmgr -P show assoc` printed, in the order of the file.
///
/// # Errors
/// As [`table::read`].
pub fn association_table(path: &Path) -> Result<Table<Association>> {
    table::read(path, &ASSOCIATIONS, association)
}

fn association(cells: &mut Cells<'_>) -> Option<Association> {
    let account = cells.name("Account");
    let limits = (limit(cells, "GrpTRES"), limit(cells, "MaxTRES"));
    let parent = cells.text("ParentName");
    let parent = (!parent.is_empty() && parent != ROOT).then(|| parent.to_owned());
    let is_of_a_user = !cells.text("User").is_empty();
    let (group_gpus, job_gpus) = (limits.0?, limits.1?);
    Some(Association { account: account?, parent, is_of_a_user, group_gpus, job_gpus })
}

/// GPUs of a limit; nothing where it names none.
fn limit(cells: &mut Cells<'_>, column: &'static str) -> Option<Option<i64>> {
    let text = cells.text(column);
    let names_gpus = text.contains("gres/gpu=") || text.contains("gres/gpu:");
    match by_name(text) {
        // -1 lifts a limit.
        _ if text.contains("gres/gpu=-1") => Some(None),
        Some(gpus) => Some(names_gpus.then_some(gpus.count)),
        None => {
            let fix = format!("write resource=amount, ..., such as gres/gpu={JOB_GPUS_MAX}");
            cells.wrong(column, "a list of limits", &fix);
            None
        }
    }
}

impl Accounts {
    /// Of the rows of a list.
    ///
    /// # Errors
    /// `Invalid` when an account is above itself.
    pub fn of(rows: impl IntoIterator<Item = Association>) -> Result<Self> {
        let mut accounts = Self::default();
        for row in rows {
            let Association { account, parent, is_of_a_user, group_gpus, job_gpus } = row;
            if is_of_a_user {
                let limits = usize::from(group_gpus.is_some()) + usize::from(job_gpus.is_some());
                accounts.other_limits += limits;
                accounts.by_name.entry(account).or_default();
                continue;
            }
            accounts.other_limits += usize::from(job_gpus.is_some());
            let known = accounts.by_name.entry(account).or_default();
            known.parent = parent.or_else(|| known.parent.take());
            known.limit_gpus = group_gpus.or(known.limit_gpus);
        }
        let all = accounts.by_name.keys();
        let looped = all.filter(|name| accounts.above(name).is_none()).collect::<Vec<_>>();
        if let Some(name) = looped.first() {
            return Err(Error::invalid(format!(
                "account '{name}' is above itself: repair ParentName in the list of accounts"
            )));
        }
        accounts.by_name.remove(ROOT);
        Ok(accounts)
    }

    /// The accounts above one, the nearest first; none when that never ends.
    #[must_use]
    pub fn above(&self, name: &str) -> Option<Vec<&str>> {
        let (mut above, mut seen) = (vec![], BTreeSet::from([name]));
        let mut at = self.by_name.get(name);
        while let Some(parent) = at.and_then(|account| account.parent.as_deref()) {
            if !seen.insert(parent) {
                return None;
            }
            above.push(parent);
            at = self.by_name.get(parent);
        }
        Some(above)
    }
}
