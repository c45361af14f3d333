//! The live requests of a pool. Copies of a pool share them until one of the two changes one: what
//! people ask about is answered on copies.

use crate::state::Request;
use crate::units::RequestId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Index;
use std::sync::Arc;

/// Requests by their names, stored as a map of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests(BTreeMap<RequestId, Arc<Request>>);

impl Requests {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The request of that name.
    pub fn get<Q: Ord + ?Sized>(&self, id: &Q) -> Option<&Request>
    where
        RequestId: Borrow<Q>,
    {
        self.0.get(id).map(|request| &**request)
    }

    /// Whether there is one of that name.
    pub fn contains_key<Q: Ord + ?Sized>(&self, id: &Q) -> bool
    where
        RequestId: Borrow<Q>,
    {
        self.0.contains_key(id)
    }

    /// Their names, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &RequestId> + Clone {
        self.0.keys()
    }

    /// All of them, in the order of their names.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Request> + Clone {
        self.0.values().map(|request| &**request)
    }

    /// The same with their names.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&RequestId, &Request)> + Clone {
        self.0.iter().map(|(id, request)| (id, &**request))
    }

    pub(crate) fn get_mut(&mut self, id: &RequestId) -> Option<&mut Request> {
        self.0.get_mut(id).map(Arc::make_mut)
    }

    pub(crate) fn insert(&mut self, id: RequestId, request: Request) -> Option<Arc<Request>> {
        self.0.insert(id, Arc::new(request))
    }

    /// Takes one out.
    pub fn remove(&mut self, id: &RequestId) -> Option<Request> {
        self.0.remove(id).map(Arc::unwrap_or_clone)
    }

    /// Keeps those only for which `is_kept` holds.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&RequestId, &Request) -> bool) {
        self.0.retain(|id, request| is_kept(id, request));
    }
}

impl<Q: Ord + ?Sized> Index<&Q> for Requests
where
    RequestId: Borrow<Q>,
{
    type Output = Request;

    fn index(&self, id: &Q) -> &Request {
        &self.0[id]
    }
}

impl Serialize for Requests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Requests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let requests = BTreeMap::<RequestId, Request>::deserialize(deserializer)?;
        Ok(Self(requests.into_iter().map(|(id, request)| (id, Arc::new(request))).collect()))
    }
}
