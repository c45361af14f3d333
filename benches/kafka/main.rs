//! tune
mod bare;
mod broker;
mod tune;
mod turns;

fn main() {
    let a: Vec<String> = std::env::args().filter(|a| a != "--bench").collect();
    let broker = broker::Broker { address: a[1].clone() };
    tune::run(&broker, a[2].parse().unwrap(), a[3].parse().unwrap(), a[4].parse().unwrap(), a.get(5).map_or("", |s| s));
}
