//! One node: what it owns and what is left of it.

use super::draw::scrambled;
use super::shape::{GpuSet, Kind, NODE_GPUS, Need, Shape};
use crate::limits::{CPU_MILLI_MAX, GPU_MILLI_WHOLE, ID_BYTES_MAX, MEMORY_MIB_MAX, NODE_GPUS_MAX};
use crate::units::{CpuMilli, MemoryMib, NodeId};
use serde::{Deserialize, Serialize};

/// Milli of one whole GPU, as a node keeps it.
pub(super) const WHOLE: u16 = 1_000;
const _: () = assert!(GPU_MILLI_WHOLE == 1_000);

/// What a node owns: nodes of one class are equal when empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeClass {
    /// Its GPU model, as an index into the fleet's models.
    pub model: usize,
    /// Its GPUs.
    pub gpu_count: i64,
    /// Its CPU.
    pub cpu_milli: CpuMilli,
    /// Its memory.
    pub memory_mib: MemoryMib,
}

impl NodeClass {
    /// How many replicas of `shape` an empty node of this class holds; models are not looked at.
    #[must_use]
    pub fn replicas_when_empty(&self, shape: &Shape) -> i64 {
        let on_gpus = match shape.kind() {
            Kind::CpuOnly => i64::MAX,
            Kind::Slice => self.gpu_count * (GPU_MILLI_WHOLE / shape.need().gpu_milli.0),
            Kind::Whole => self.gpu_count * GPU_MILLI_WHOLE / shape.gpu_milli_total(),
        };
        on_gpus.min(replicas_beside_gpus(self.cpu_milli, self.memory_mib, shape.need()))
    }
}

/// A node and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    id: NodeId,
    class: NodeClass,
    /// Empty is none.
    topology_group: Box<str>,
    is_draining: bool,
    is_healthy: bool,
    /// How many replicas sit here, those that need nothing among them.
    replicas: i64,
    cpu_left: CpuMilli,
    memory_left: MemoryMib,
    /// Milli left per GPU; 0 beyond the last one.
    gpu_left: [u16; NODE_GPUS],
}

impl Node {
    /// A free node that accepts work.
    ///
    /// # Panics
    /// When an amount is out of range.
    pub(super) fn new(id: NodeId, class: NodeClass) -> Self {
        let (cpu_left, memory_left) = (class.cpu_milli, class.memory_mib);
        assert!((0..=NODE_GPUS_MAX).contains(&class.gpu_count), "{id}: GPU count out of range");
        assert!((0..=CPU_MILLI_MAX).contains(&cpu_left.0), "{id}: CPU out of range");
        assert!((0..=MEMORY_MIB_MAX).contains(&memory_left.0), "{id}: memory out of range");
        let mut gpu_left = [0; NODE_GPUS];
        gpu_left[..gpu_count(&class)].fill(WHOLE);
        Self {
            id,
            class,
            topology_group: Box::default(),
            is_draining: false,
            is_healthy: true,
            replicas: 0,
            cpu_left,
            memory_left,
            gpu_left,
        }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// What it owns.
    #[must_use]
    pub fn class(&self) -> &NodeClass {
        &self.class
    }

    /// The name that it shares with the nodes near it; empty when it has none.
    #[must_use]
    pub fn topology_group(&self) -> &str {
        &self.topology_group
    }

    /// Whether new work may be placed here: it is healthy and does not drain.
    #[must_use]
    pub fn accepts_work(&self) -> bool {
        self.is_healthy && !self.is_draining
    }

    /// Whether it was told to drain, which nothing lifts.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// What was last reported of it; a new node is healthy.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.is_healthy
    }

    /// CPU that nobody holds.
    #[must_use]
    pub fn cpu_left(&self) -> CpuMilli {
        self.cpu_left
    }

    /// Memory that nobody holds.
    #[must_use]
    pub fn memory_left(&self) -> MemoryMib {
        self.memory_left
    }

    /// Milli that nobody holds, per GPU.
    #[must_use]
    pub fn gpu_left(&self) -> &[u16] {
        &self.gpu_left[..gpu_count(&self.class)]
    }

    /// GPU milli that nobody holds, over all GPUs.
    #[must_use]
    pub fn gpu_milli_left(&self) -> i64 {
        self.gpu_left.iter().map(|left| i64::from(*left)).sum()
    }

    /// GPU milli that it owns.
    #[must_use]
    pub fn gpu_milli_total(&self) -> i64 {
        self.class.gpu_count * GPU_MILLI_WHOLE
    }

    /// GPU milli that leases hold.
    #[must_use]
    pub fn gpu_milli_used(&self) -> i64 {
        self.gpu_milli_total() - self.gpu_milli_left()
    }

    /// Whether nothing runs on it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replicas == 0
    }

    /// Whether one replica of `shape` fits now, memory and model aside.
    #[must_use]
    pub fn fits_beside_memory(&self, shape: &Shape) -> bool {
        let wanted = shape.need().gpu_milli.0;
        let fitting = || self.gpu_left().iter().filter(|left| i64::from(**left) >= wanted).count();
        self.accepts_work()
            && self.cpu_left >= shape.need().cpu_milli
            && (shape.gpu_count() == 0 || fitting() >= shape.gpu_count())
    }

    /// Whether one replica of `shape` fits now, the model aside.
    #[must_use]
    pub fn fits(&self, shape: &Shape) -> bool {
        self.memory_left >= shape.need().memory_mib && self.fits_beside_memory(shape)
    }

    /// How many replicas of `shape` fit now, the model aside. Each replica placed lowers this by
    /// exactly one, on whichever GPUs it sits.
    #[must_use]
    pub fn replicas_that_fit(&self, shape: &Shape) -> i64 {
        if !self.accepts_work() {
            return 0;
        }
        let wanted = shape.need().gpu_milli.0;
        let slots = || self.gpu_left().iter().map(|left| i64::from(*left) / wanted).sum::<i64>();
        let on_gpus = match shape.kind() {
            Kind::CpuOnly => i64::MAX,
            Kind::Slice => slots(),
            Kind::Whole => slots() * wanted / shape.gpu_milli_total(),
        };
        on_gpus.min(replicas_beside_gpus(self.cpu_left, self.memory_left, shape.need()))
    }

    /// The node as it were if `given`, which sits here, were given back.
    pub(crate) fn without(&self, given: &[(Need, GpuSet)]) -> Self {
        let mut after = self.clone();
        given.iter().for_each(|(need, gpus)| after.give_back(need, *gpus));
        after
    }

    /// The fully free GPUs with the lowest indices, as many as `shape` has; none for other kinds.
    ///
    /// # Panics
    /// When there are fewer free GPUs than `shape` wants.
    pub(super) fn lowest_free(&self, shape: &Shape) -> GpuSet {
        let free = (0..).zip(self.gpu_left()).filter(|(_, left)| **left == WHOLE);
        let chosen = free.take(shape.gpu_count()).fold(GpuSet::NONE, |set, (g, _)| set.with(g));
        let count = usize::try_from(chosen.count()).expect("at most 16 GPUs");
        assert!(count == shape.gpu_count(), "a shape was placed on a node that it does not fit");
        chosen
    }

    fn is_all_left(&self) -> bool {
        self.cpu_left == self.class.cpu_milli
            && self.memory_left == self.class.memory_mib
            && self.gpu_milli_used() == 0
    }

    pub(super) fn join_group(&mut self, group: &str) {
        assert!(self.topology_group.is_empty(), "{} is of a topology group already", self.id);
        self.topology_group = group.into();
    }

    pub(super) fn drain(&mut self) {
        self.is_draining = true;
    }

    pub(super) fn set_health(&mut self, is_healthy: bool) {
        self.is_healthy = is_healthy;
    }

    /// Follows the fleet, which dropped the name of another node's `model`.
    pub(super) fn forget_model(&mut self, model: usize) {
        self.class.model -= usize::from(self.class.model > model);
    }

    pub(super) fn take(&mut self, need: &Need, gpus: GpuSet) {
        self.replicas += 1;
        self.cpu_left.0 -= need.cpu_milli.0;
        self.memory_left.0 -= need.memory_mib.0;
        assert!(self.cpu_left.0 >= 0, "{}: CPU taken that is not there", self.id);
        assert!(self.memory_left.0 >= 0, "{}: memory taken that is not there", self.id);
        let milli = u16::try_from(need.gpu_milli.0).expect("a GPU's milli are within 0 and 1000");
        for index in gpus.iter() {
            let left = self.gpu_left[index].checked_sub(milli);
            self.gpu_left[index] = left.unwrap_or_else(|| {
                panic!("{}: GPU {index}: milli taken that are not there", self.id)
            });
        }
    }

    pub(crate) fn give_back(&mut self, need: &Need, gpus: GpuSet) {
        self.replicas -= 1;
        self.cpu_left.0 += need.cpu_milli.0;
        self.memory_left.0 += need.memory_mib.0;
        let milli = u16::try_from(need.gpu_milli.0).expect("a GPU's milli are within 0 and 1000");
        for index in gpus.iter() {
            assert!(index < gpu_count(&self.class), "{}: has no GPU {index}", self.id);
            self.gpu_left[index] += milli;
            assert!(self.gpu_left[index] <= WHOLE, "{}: GPU {index} given back twice", self.id);
        }
        assert!(self.cpu_left <= self.class.cpu_milli, "{}: CPU given back twice", self.id);
        assert!(self.memory_left <= self.class.memory_mib, "{}: memory given back twice", self.id);
        let consistent = self.replicas > 0 || self.replicas == 0 && self.is_all_left();
        assert!(consistent, "{}: its last replica gave back less or more than was taken", self.id);
    }

    /// A number that differs when what is left differs, as far as 64 bits can tell.
    pub(super) fn digest(&self) -> u64 {
        let bits = |number: i64| number.unsigned_abs();
        let first = scrambled(bits(self.cpu_left.0)).rotate_left(1) ^ bits(self.memory_left.0);
        let gpus = self.gpu_left.chunks_exact(4).fold(first, |digest, four| {
            let packed = four.iter().fold(0, |packed, left| packed << 16 | u64::from(*left));
            scrambled(digest.rotate_left(1) ^ packed)
        });
        scrambled(
            gpus.rotate_left(1) ^ (self.class.model as u64) << 1 ^ u64::from(self.accepts_work()),
        )
    }

    /// Whether a node read from a snapshot of a fleet with that many models can be one of ours.
    pub(super) fn is_sound(&self, models: usize) -> bool {
        let NodeClass { model, gpu_count: gpus, cpu_milli, memory_mib } = self.class;
        model < models
            && self.topology_group.len() <= ID_BYTES_MAX
            && (0..=NODE_GPUS_MAX).contains(&gpus)
            && (0..=CPU_MILLI_MAX).contains(&cpu_milli.0)
            && (0..=MEMORY_MIB_MAX).contains(&memory_mib.0)
            && (0..=cpu_milli.0).contains(&self.cpu_left.0)
            && (0..=memory_mib.0).contains(&self.memory_left.0)
            && (self.replicas > 0 || self.replicas == 0 && self.is_all_left())
            && self.gpu_left().iter().all(|left| *left <= WHOLE)
            && self.gpu_left[gpu_count(&self.class)..].iter().all(|left| *left == 0)
    }
}

fn gpu_count(class: &NodeClass) -> usize {
    usize::try_from(class.gpu_count).expect("a node's GPU count is not negative")
}

/// Replicas that so much CPU and memory is enough for.
fn replicas_beside_gpus(cpu: CpuMilli, memory: MemoryMib, need: &Need) -> i64 {
    let on_cpu = if need.cpu_milli.0 == 0 { i64::MAX } else { cpu.0 / need.cpu_milli.0 };
    let in_memory = if need.memory_mib.0 == 0 { i64::MAX } else { memory.0 / need.memory_mib.0 };
    on_cpu.min(in_memory)
}
