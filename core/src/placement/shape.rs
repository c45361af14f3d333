//! What one replica asks of one node, and which GPUs of a node it gets.

use crate::command::RequestAllocation;
use crate::limits::{GPU_MILLI_WHOLE, NODE_GPUS_MAX};
use crate::units::{CpuMilli, GpuMilli, GpuModel, MemoryMib};

/// What one replica takes from its node: `gpu_milli` from each of its GPUs, the rest once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// Milli of each GPU: 1000 is whole, less is a slice of one GPU, 0 without GPUs.
    pub gpu_milli: GpuMilli,
    /// CPU of the replica.
    pub cpu_milli: CpuMilli,
    /// Memory of the replica.
    pub memory_mib: MemoryMib,
}

impl Need {
    /// What one replica of `request` takes from its node.
    #[must_use]
    pub fn of(request: &RequestAllocation) -> Self {
        Self {
            gpu_milli: request.gpu_milli,
            cpu_milli: request.cpu_milli,
            memory_mib: request.memory_mib,
        }
    }
}

/// The three kinds of shape; no replica mixes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No GPU at all.
    CpuOnly,
    /// A part of exactly one GPU.
    Slice,
    /// One or more fully free GPUs of one node.
    Whole,
}

/// Everything that decides whether, and how well, a replica fits a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    kind: Kind,
    gpu_count: usize,
    gpu_milli_total: i64,
    need: Need,
    models: Vec<GpuModel>,
}

impl Shape {
    /// The shape of a replica with `gpu_count` GPUs on a node whose model is one of `models`; no
    /// models means any. The order of `models` is of no account here.
    ///
    /// # Panics
    /// When the amounts are none of the three kinds: validation should have refused them.
    #[must_use]
    pub fn new(gpu_count: i64, need: Need, models: &[GpuModel]) -> Self {
        let kind = match (gpu_count, need.gpu_milli.0) {
            (0, 0) => Kind::CpuOnly,
            (1, milli) if 0 < milli && milli < GPU_MILLI_WHOLE => Kind::Slice,
            (count, GPU_MILLI_WHOLE) if 0 < count => Kind::Whole,
            (count, milli) => panic!("{count} GPUs of {milli} milli are no shape"),
        };
        assert!(need.cpu_milli.0 >= 0, "a replica with negative CPU got past validation");
        assert!(need.memory_mib.0 >= 0, "a replica with negative memory got past validation");
        let gpu_milli_total = gpu_count * need.gpu_milli.0;
        let gpu_count = usize::try_from(gpu_count).expect("a shape's GPU count is not negative");
        // A model wish says something about GPUs only: without GPUs any node will do.
        let mut models = if kind == Kind::CpuOnly { Vec::new() } else { models.to_vec() };
        models.sort_unstable();
        models.dedup();
        Self { kind, gpu_count, gpu_milli_total, need, models }
    }

    /// The shape of one replica of `request`, restricted to `models` (its whole list, or one of
    /// it).
    #[must_use]
    pub fn of(request: &RequestAllocation, models: &[GpuModel]) -> Self {
        Self::new(request.gpu_count, Need::of(request), models)
    }

    /// Which of the three kinds it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// GPUs per replica.
    #[must_use]
    pub fn gpu_count(&self) -> usize {
        self.gpu_count
    }

    /// What one replica takes.
    #[must_use]
    pub fn need(&self) -> &Need {
        &self.need
    }

    /// The acceptable models in ascending order; empty is any.
    #[must_use]
    pub fn models(&self) -> &[GpuModel] {
        &self.models
    }

    /// Whether GPUs of `model` are acceptable.
    #[must_use]
    pub fn accepts(&self, model: &GpuModel) -> bool {
        self.models.is_empty() || self.models.binary_search(model).is_ok()
    }

    /// GPU milli of one replica over all its GPUs.
    #[must_use]
    pub fn gpu_milli_total(&self) -> i64 {
        self.gpu_milli_total
    }
}

/// Some GPUs of one node, by index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GpuSet(u16);

impl GpuSet {
    /// No GPU: what a replica without GPUs holds.
    pub const NONE: Self = Self(0);

    /// One GPU.
    ///
    /// # Panics
    /// When no node can have a GPU of that index.
    #[must_use]
    pub fn one(index: usize) -> Self {
        Self::NONE.with(index)
    }

    /// This set and one GPU more.
    ///
    /// # Panics
    /// When no node can have a GPU of that index, or when the set holds it already.
    #[must_use]
    pub fn with(self, index: usize) -> Self {
        assert!(index < NODE_GPUS, "no node has a GPU of index {index}");
        let bit = 1_u16 << index;
        assert!(self.0 & bit == 0, "GPU {index} is named twice");
        Self(self.0 | bit)
    }

    /// The set that a lease record names.
    ///
    /// # Panics
    /// When an index is out of range or named twice: no decision of ours says so.
    #[must_use]
    pub fn of(indices: &[i64]) -> Self {
        indices.iter().fold(Self::NONE, |set, &index| {
            set.with(usize::try_from(index).expect("GPU indices of a lease are not negative"))
        })
    }

    /// The indices as a lease record names them, ascending.
    #[must_use]
    pub fn indices(self) -> Vec<i64> {
        (0_i64..).zip(0..NODE_GPUS).filter(|(_, g)| self.holds(*g)).map(|(i, _)| i).collect()
    }

    /// The indices, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..NODE_GPUS).filter(move |index| self.holds(*index))
    }

    /// How many GPUs it holds.
    #[must_use]
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    fn holds(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }
}

/// [`NODE_GPUS_MAX`] as a length.
pub(super) const NODE_GPUS: usize = 16;
const _: () = assert!(NODE_GPUS_MAX == 16, "a GPU set has one bit per GPU");

#[cfg(test)]
mod tests {
    use super::*;

    fn need(gpu_milli: i64) -> Need {
        Need { gpu_milli: GpuMilli(gpu_milli), ..Need::default() }
    }

    #[test]
    fn a_shape_has_one_of_three_kinds() {
        assert_eq!(Shape::new(0, need(0), &[]).kind(), Kind::CpuOnly);
        assert_eq!(Shape::new(1, need(999), &[]).kind(), Kind::Slice);
        assert_eq!(Shape::new(1, need(1000), &[]).kind(), Kind::Whole);
        assert_eq!(Shape::new(8, need(1000), &[]).kind(), Kind::Whole);
        for (count, milli) in [(2, 500), (0, 10), (1, 0), (1, 1001), (-1, 1000)] {
            let made = std::panic::catch_unwind(|| Shape::new(count, need(milli), &[]));
            assert!(made.is_err(), "{count} x {milli} is no shape");
        }
    }

    #[test]
    fn models_are_a_set_and_of_no_account_without_gpus() {
        let [a, b] = ["A100", "T4"].map(GpuModel::from);
        let both = Shape::new(1, need(1000), &[b.clone(), a.clone(), b.clone()]);
        assert_eq!(both.models(), [a.clone(), b.clone()]);
        assert!(both.accepts(&b) && !both.accepts(&GpuModel::from("T40")));
        assert!(Shape::new(0, need(0), &[a]).accepts(&b));
    }

    #[test]
    fn a_gpu_set_is_what_the_lease_record_says() {
        assert_eq!(GpuSet::of(&[7, 0, 15]).indices(), [0, 7, 15]);
        assert_eq!(GpuSet::of(&[7, 0, 15]).iter().collect::<Vec<_>>(), [0, 7, 15]);
        assert_eq!(GpuSet::of(&[]), GpuSet::NONE);
        for wrong in [&[16][..], &[-1], &[3, 3]] {
            assert!(std::panic::catch_unwind(|| GpuSet::of(wrong)).is_err(), "{wrong:?}");
        }
    }
}
