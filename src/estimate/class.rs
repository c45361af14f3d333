//! Whose waits are alike: those of one pool, priority, size and choice of GPU models; and coarser
//! classes for when there are too few of them.

use conclave_core::command::RequestAllocation;
use conclave_core::limits::GPU_MILLI_WHOLE;
use conclave_core::units::{GpuModel, PoolId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much alike the requests of a class are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Of one pool, priority, size and choice of GPU models.
    GpuModels,
    /// Of one pool, priority and size.
    Size,
    /// Of one pool and priority.
    Priority,
    /// Of one pool.
    Pool,
}

/// Requests whose waits are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    pool: PoolId,
    priority: Option<i64>,
    size: Option<Size>,
    /// In order of name: which one is preferred makes no difference here.
    gpu_models: Option<Vec<GpuModel>>,
}

/// GPUs of a whole gang.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Size {
    NoGpu,
    Slice,
    One,
    UpTo4,
    UpTo8,
    UpTo16,
    UpTo64,
    More,
}

impl Level {
    /// What its requests have in common, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::GpuModels => "its priority, size and GPU models",
            Self::Size => "its priority and size",
            Self::Priority => "its priority",
            Self::Pool => "its pool",
        }
    }
}

impl Size {
    fn of(ask: &RequestAllocation) -> Self {
        let milli = ask.total_gpu_milli().0;
        match (milli + GPU_MILLI_WHOLE - 1) / GPU_MILLI_WHOLE {
            0 => Self::NoGpu,
            1 if milli < GPU_MILLI_WHOLE => Self::Slice,
            1 => Self::One,
            2..=4 => Self::UpTo4,
            5..=8 => Self::UpTo8,
            9..=16 => Self::UpTo16,
            17..=64 => Self::UpTo64,
            _ => Self::More,
        }
    }
}

impl Class {
    /// The finest class of a request.
    #[must_use]
    pub fn of(pool: &PoolId, ask: &RequestAllocation) -> Self {
        let mut gpu_models = if ask.gpu_count == 0 { vec![] } else { ask.gpu_models.clone() };
        gpu_models.sort_unstable();
        Self {
            pool: pool.clone(),
            priority: Some(ask.priority),
            size: Some(Size::of(ask)),
            gpu_models: Some(gpu_models),
        }
    }

    /// All requests of its pool.
    #[must_use]
    pub fn of_pool(&self) -> Self {
        Self { pool: self.pool.clone(), priority: None, size: None, gpu_models: None }
    }

    /// The class itself and those that it is a part of, the finest first.
    pub fn and_coarser(&self) -> impl Iterator<Item = Self> + use<> {
        let own = self.clone();
        let of_size = Self { gpu_models: None, ..own.clone() };
        let of_priority = Self { size: None, ..of_size.clone() };
        let of_pool = self.of_pool();
        [own, of_size, of_priority, of_pool].into_iter()
    }

    /// How much alike its requests are.
    #[must_use]
    pub fn level(&self) -> Level {
        match (&self.gpu_models, self.size, self.priority) {
            (Some(_), ..) => Level::GpuModels,
            (None, Some(_), _) => Level::Size,
            (None, None, Some(_)) => Level::Priority,
            (None, None, None) => Level::Pool,
        }
    }
}
