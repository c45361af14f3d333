//! Questions to a service before which a crowd waits.

use crate::client::Client;
use crate::commands::{POOL, quota, release};
use crate::crowd::{Crowd, WAITERS, waiter, wanted};
use crate::figures::{Figures, Goal};
use crate::load::{histogram, note};
use conclave::wire::json::write_command;
use conclave_core::command::Payload;
use conclave_core::units::{GpuMilli, TenantId};
use hdrhistogram::Histogram;
use std::time::Instant;
use tokio::runtime::Runtime;

/// What `why` and `plan` may take, and `status`, in milliseconds.
const ANSWER_GOAL: Goal = Goal::AtMost(100.0);
const STATUS_GOAL: Goal = Goal::AtMost(20.0);

/// One question.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    name: &'static str,
    path: String,
    body: Option<String>,
    goal: Option<Goal>,
}

impl Question {
    /// False when the service gave up before it had an answer.
    async fn ask(&self, client: &mut Client) -> bool {
        let reply = match &self.body {
            None => client.get(&self.path).await,
            Some(body) => client.post(&self.path, "application/json", body).await,
        };
        let said = String::from_utf8_lossy(&reply.body[..reply.body.len().min(300)]);
        assert!(matches!(reply.status, 200 | 408), "{}: {said}", self.name);
        reply.status == 200
    }
}

/// Everything that is asked.
pub(crate) fn all(crowd: &mut Crowd, shapes: usize) -> Vec<Question> {
    let get = |name, path, goal| Question { name, path, body: None, goal };
    let why = |n| Crowd::path(&format!("/requests/{}/explain", waiter(n)));
    let answer = Some(ANSWER_GOAL);
    let mut questions = vec![
        get("status", "/v1/status".to_owned(), Some(STATUS_GOAL)),
        get("queue, the first 100", Crowd::path("/queue?limit=100"), None),
        get("requests, 100 waiting", Crowd::path("/requests?stage=waiting&limit=100"), None),
        get("one request", Crowd::path(&format!("/requests/{}", waiter(WAITERS / 2))), None),
        get("why: the first", why(0), answer),
        get("why: the middle", why(WAITERS / 2), answer),
        get("why: the last", why(WAITERS - 1), answer),
    ];
    let (running, fencing) = crowd.running();
    let release = release(running, fencing);
    let ask = Payload::RequestAllocation(wanted("planned".to_owned(), 0, shapes));
    let quota = quota(&TenantId::from("tenant-00"), GpuMilli(5_000));
    for (name, payload) in
        [("plan: a request", ask), ("plan: a release", release), ("plan: a smaller quota", quota)]
    {
        let body = Some(write_command(&crowd.writer.operator(payload)));
        questions.push(Question { name, path: "/v1/plan".to_owned(), body, goal: answer });
    }
    let end = crowd.serving.service.watch().borrow().decisions_next.0;
    let recent = format!("/v1/timeline?pool={POOL}&from={}", end - 2_000);
    questions.push(get("timeline of the last 2,000 decisions", recent, None));
    questions
}

/// Asks each question so often, and adds what it took in milliseconds.
pub(crate) fn measure(
    crowd: &mut Crowd,
    clients: &Runtime,
    (name, shapes, times): (&str, usize, usize),
    figures: &mut Figures,
) {
    for question in all(crowd, shapes) {
        let taken = clients.block_on(async {
            let mut client = Client::connect(crowd.serving.address).await;
            let mut taken = histogram();
            for _ in 0..times {
                let started = Instant::now();
                let is_answered = question.ask(&mut client).await;
                note(&mut taken, started);
                if !is_answered {
                    break; // The time that it took to give up stands for it.
                }
            }
            taken
        });
        let row = format!("{name}: {}", question.name);
        figures.add(&format!("{row}: p50"), at(&taken, 0.5), "ms");
        match question.goal {
            Some(goal) => {
                figures.add_with_goal(&format!("{row}: p99"), at(&taken, 0.99), "ms", goal)
            }
            None => figures.add(&format!("{row}: p99"), at(&taken, 0.99), "ms"),
        }
    }
}

/// A quantile in milliseconds.
pub(crate) fn at(times: &Histogram<u64>, share: f64) -> f64 {
    times.value_at_quantile(share) as f64 / 1e3
}

/// One client that sends commands one by one, alone and while two others ask all the time.
pub(crate) fn measure_beside(
    crowd: &mut Crowd,
    clients: &Runtime,
    (shapes, count): (usize, usize),
    figures: &mut Figures,
) {
    let questions = all(crowd, shapes);
    let alone = clients.block_on(renew_all(crowd, count));
    let beside = clients.block_on(async {
        let mut asking = tokio::task::JoinSet::new();
        for first in [0, questions.len() / 2] {
            let (questions, address) = (questions.clone(), crowd.serving.address);
            asking.spawn(async move {
                let mut client = Client::connect(address).await;
                for question in questions.iter().cycle().skip(first) {
                    question.ask(&mut client).await;
                }
            });
        }
        let beside = renew_all(crowd, count).await;
        asking.shutdown().await;
        beside
    });
    for (name, times) in [("alone", &alone), ("two others ask", &beside)] {
        for (quantile, share) in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)] {
            figures.add(&format!("one client, {name}: {quantile}"), at(times, share), "ms");
        }
    }
    let ratio = at(&beside, 0.99) / at(&alone, 0.99);
    figures.add("one client: p99 while others ask / alone", ratio, "times");
}

async fn renew_all(crowd: &mut Crowd, count: usize) -> Histogram<u64> {
    let mut client = Client::connect(crowd.serving.address).await;
    let mut times = histogram();
    for nth in 0..count {
        let started = Instant::now();
        crowd.renew(&mut client, nth).await;
        note(&mut times, started);
    }
    times
}
