#![allow(missing_docs)]
use crate::command::*;
use crate::decision::Placement;
use crate::units::*;
use serde::{Deserialize, Serialize};
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct N {
    id: NodeId,
    model: GpuModel,
    cpu: i64,
    mem: i64,
    gpu: Vec<i64>,
    cap_cpu: i64,
    cap_mem: i64,
    open: bool,
}
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    nodes: Vec<N>,
}
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placer {}
#[derive(Clone, Debug)]
pub struct ReplicaNeed {
    c: i64,
    m: i64,
    n: i64,
    g: i64,
}
impl ReplicaNeed {
    pub fn of(a: &RequestAllocation) -> Self {
        Self { c: a.cpu_milli.0, m: a.memory_mib.0, n: a.gpu_count, g: a.gpu_milli.0 }
    }
}
pub fn seed_of(_: &str) -> u64 {
    0
}
impl N {
    fn fits(&self, n: &ReplicaNeed, models: &[GpuModel]) -> Option<Vec<i64>> {
        if !self.open
            || self.cpu < n.c
            || self.mem < n.m
            || (n.n > 0 && !models.is_empty() && !models.contains(&self.model))
        {
            return None;
        }
        let v: Vec<i64> = self
            .gpu
            .iter()
            .enumerate()
            .filter(|(_, l)| **l >= n.g)
            .map(|(i, _)| i as i64)
            .take(n.n as usize)
            .collect();
        (v.len() as i64 == n.n).then_some(v)
    }
}
impl Fleet {
    pub fn len(&self) -> usize {
        self.nodes.len()
    }
    pub fn index_of(&self, id: &NodeId) -> Option<usize> {
        self.nodes.iter().position(|n| n.id == *id)
    }
    pub fn add_node(&mut self, r: &RegisterNode) {
        self.nodes.push(N {
            id: r.node.clone(),
            model: r.gpu_model.clone(),
            cpu: r.cpu_milli.0,
            mem: r.memory_mib.0,
            gpu: vec![1000; r.gpu_count as usize],
            cap_cpu: r.cpu_milli.0,
            cap_mem: r.memory_mib.0,
            open: true,
        })
    }
    pub fn drain(&mut self, id: &NodeId) {
        let i = self.index_of(id).unwrap();
        self.nodes[i].open = false
    }
    pub fn remove(&mut self, id: &NodeId) {
        let i = self.index_of(id).unwrap();
        self.nodes.remove(i);
    }
    pub fn is_empty_node(&self, i: usize) -> bool {
        let n = &self.nodes[i];
        n.cpu == n.cap_cpu && n.mem == n.cap_mem && n.gpu.iter().all(|g| *g == 1000)
    }
    pub fn take(&mut self, p: &Placement, n: &ReplicaNeed) {
        let i = self.index_of(&p.node).unwrap();
        let x = &mut self.nodes[i];
        x.cpu -= n.c;
        x.mem -= n.m;
        for g in &p.gpus {
            x.gpu[*g as usize] -= n.g;
            assert!(x.gpu[*g as usize] >= 0)
        }
    }
    pub fn give_back(&mut self, p: &Placement, n: &ReplicaNeed) {
        let i = self.index_of(&p.node).unwrap();
        let x = &mut self.nodes[i];
        x.cpu += n.c;
        x.mem += n.m;
        for g in &p.gpus {
            x.gpu[*g as usize] += n.g;
        }
    }
    pub fn free_gpu_milli(&self) -> GpuMilli {
        GpuMilli(self.nodes.iter().filter(|n| n.open).map(|n| n.gpu.iter().sum::<i64>()).sum())
    }
    pub fn emptied(&self) -> Self {
        let mut s = self.clone();
        for n in &mut s.nodes {
            n.cpu = n.cap_cpu;
            n.mem = n.cap_mem;
            for g in &mut n.gpu {
                *g = 1000
            }
        }
        s
    }
    pub fn same_capacity(&self, o: &Self) -> bool {
        self == o
    }
    pub fn model_of(&self, s: &[Placement]) -> GpuModel {
        s.first()
            .filter(|p| !p.gpus.is_empty())
            .map(|p| self.nodes[self.index_of(&p.node).unwrap()].model.clone())
            .unwrap_or_default()
    }
}
impl Placer {
    pub fn for_policy(_: &SetPoolPolicy) -> Self {
        Self {}
    }
    pub fn choose_gang(
        &mut self,
        f: &mut Fleet,
        n: &ReplicaNeed,
        m: &[GpuModel],
        r: i64,
        _: u64,
    ) -> Option<Vec<Placement>> {
        let mut c = f.clone();
        let mut out = vec![];
        for _ in 0..r {
            let (id, g) = c.nodes.iter().find_map(|x| x.fits(n, m).map(|g| (x.id.clone(), g)))?;
            let p = Placement { node: id, gpus: g };
            c.take(&p, n);
            out.push(p)
        }
        Some(out)
    }
}
pub fn replicas_that_fit(f: &Fleet, n: &ReplicaNeed, m: &[GpuModel]) -> i64 {
    let mut c = f.clone();
    let mut k = 0;
    loop {
        let Some((id, g)) = c.nodes.iter().find_map(|x| x.fits(n, m).map(|g| (x.id.clone(), g)))
        else {
            return k;
        };
        if n.n == 0 && n.c == 0 && n.m == 0 {
            return 2000;
        };
        c.take(&Placement { node: id, gpus: g }, n);
        k += 1;
        if k > 2000 {
            return k;
        }
    }
}
pub fn could_ever_hold(f: &Fleet, n: &ReplicaNeed, m: &[GpuModel], r: i64) -> bool {
    let e = f.emptied();
    if m.is_empty() || n.n == 0 {
        return replicas_that_fit(&e, n, &[]) >= r;
    }
    m.iter().any(|x| replicas_that_fit(&e, n, std::slice::from_ref(x)) >= r)
}
