//! The tenants of a pool as a tree.

use crate::report::viewer::Viewer;
use conclave_core::state::{Pool, Tenant};
use conclave_core::units::TenantId;
use std::collections::BTreeMap;

/// A tenant, and how many of those above it the viewer sees.
pub(crate) type InTree<'a> = (&'a TenantId, &'a Tenant, usize);

/// All tenants, each before those below it; the children of one in the order of `key`, then of
/// their names.
pub(crate) fn in_tree<'a, K: Ord>(
    pool: &'a Pool,
    viewer: &Viewer,
    key: impl Fn(&'a TenantId, &'a Tenant) -> K,
) -> Vec<InTree<'a>> {
    let mut children: BTreeMap<Option<&'a TenantId>, Vec<(K, &TenantId, &Tenant)>> =
        BTreeMap::new();
    for (name, tenant) in &pool.tenants {
        let of_parent = children.entry(tenant.branch.parent.as_ref()).or_default();
        of_parent.push((key(name, tenant), name, tenant));
    }
    for siblings in children.values_mut() {
        siblings.sort_by(|(one, one_name, _), (other, other_name, _)| {
            (one, one_name).cmp(&(other, other_name))
        });
    }
    let (mut rows, mut stack) = (Vec::with_capacity(pool.tenants.len()), Vec::new());
    let mut push = |stack: &mut Vec<InTree<'a>>, parent: Option<&'a TenantId>, depth: usize| {
        let of_parent = children.remove(&parent).into_iter().flatten().rev();
        stack.extend(of_parent.map(|(_, name, tenant)| (name, tenant, depth)));
    };
    push(&mut stack, None, 0);
    while let Some((name, tenant, depth)) = stack.pop() {
        rows.push((name, tenant, depth));
        push(&mut stack, Some(name), depth + usize::from(viewer.sees(name)));
    }
    rows
}

/// A name as it stands in a table, below those above it.
pub(crate) fn indented(name: &str, depth: usize) -> String {
    format!("{}{name}", "  ".repeat(depth))
}
