//! How a frame looks: pools above, the queue's head in the middle, decisions below.

use super::seen::Seen;
use crate::error::Error;
use crate::report::pools::PoolStatus;
use crate::report::queue::QueueRow;
use crate::report::show::{between, clock, gpus, rough};
use conclave_core::units::{DurationMs, GpuMilli, TimeMs};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table, TableState};

/// Columns of a bar that shows how full a pool is.
const BAR_COLUMNS: i64 = 16;

/// Draws all that was seen, and what went wrong with the last look.
pub(super) fn draw(frame: &mut Frame<'_>, seen: &Seen, trouble: Option<&Error>) {
    let pools = u16::try_from(seen.status.pools.len()).unwrap_or(u16::MAX).saturating_add(3);
    let [title, above, middle, below, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(pools.min(12)),
        Constraint::Fill(3),
        Constraint::Fill(2),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Line::from(headline(seen)).style(bold()), title);
    // The chosen pool is scrolled to.
    let mut place = TableState::default().with_selected(seen.chosen);
    frame.render_stateful_widget(pools_table(seen), above, &mut place);
    frame.render_widget(queue_table(seen), middle);
    let decisions: Vec<Line<'_>> = seen.decisions.iter().map(|line| shown(line).into()).collect();
    let title = match seen.partition {
        None => "last decisions".to_owned(),
        Some(partition) => format!("last decisions of partition {partition}"),
    };
    frame.render_widget(Paragraph::new(decisions).block(titled(title)), below);
    frame.render_widget(foot_line(trouble), foot);
}

fn headline(seen: &Seen) -> String {
    let status = &seen.status;
    let log = status.log_id.as_deref().unwrap_or("not opened yet");
    let head: String = status.chain_head.chars().take(12).collect();
    let time = clock(status.as_of.time());
    let place = match status.partitions.len() {
        0 => format!("decision {}", status.as_of.offset),
        count => format!("{count} partitions"),
    };
    shown(&format!("log {log}  {place}  {time}  head {head}"))
}

fn pools_table(seen: &Seen) -> Table<'_> {
    let titles = ["POOL", "GPUS", "", "NODES", "RUNNING", "WAITING", "PUT OFF", "LONGEST"];
    let rows = seen.status.pools.iter().enumerate().map(|(index, pool)| {
        let style = if index == seen.chosen { bold() } else { Style::new() };
        pool_row(pool).style(style)
    });
    let widths = [
        Constraint::Min(10),
        Constraint::Length(15),
        Constraint::Length(17),
        Constraint::Max(28),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
    ];
    Table::new(rows, widths).header(Row::new(titles).style(dim())).block(titled("pools".into()))
}

fn pool_row(pool: &PoolStatus) -> Row<'_> {
    let (used, total) = (pool.gpu_milli_used, pool.gpu_milli_total);
    let full = if total == 0 { 0 } else { used * BAR_COLUMNS / total };
    let bar: String = (0..BAR_COLUMNS).map(|at| if at < full { '█' } else { '░' }).collect();
    let longest = pool.longest_wait_ms.map_or_else(|| "-".to_owned(), |ms| rough(DurationMs(ms)));
    Row::new([
        Cell::from(shown(&pool.pool)),
        format!("{} of {}", gpus(GpuMilli(used)), gpus(GpuMilli(total))).into(),
        Cell::from(bar).style(fill_color(used, total)),
        pool.nodes_in_words().into(),
        pool.running.to_string().into(),
        pool.waiting.to_string().into(),
        pool.deferred.to_string().into(),
        longest.into(),
    ])
}

fn queue_table(seen: &Seen) -> Table<'_> {
    let now = seen.status.as_of.time();
    let (rows, title) = match &seen.queue {
        None => (vec![], "queue".to_owned()),
        Some(queue) => {
            let rows = queue.queue.iter().chain(&queue.put_off);
            let title = format!("queue of {}: {} waiting", queue.pool, queue.waiting);
            (rows.map(|row| queue_row(row, now)).collect(), shown(&title))
        }
    };
    let widths = [
        Constraint::Length(4),
        Constraint::Length(18),
        Constraint::Length(14),
        Constraint::Length(3),
        Constraint::Length(8),
        Constraint::Length(6),
        Constraint::Fill(1),
    ];
    let titles = ["#", "REQUEST", "TENANT", "PRI", "WAITS", "GPUS", "WHY"];
    Table::new(rows, widths).header(Row::new(titles).style(dim())).block(titled(title))
}

fn queue_row(row: &QueueRow, now: TimeMs) -> Row<'_> {
    let since = TimeMs(row.waits_since_ms.unwrap_or(row.arrived_at_ms));
    Row::new([
        row.place.map_or_else(|| "-".to_owned(), |place| place.to_string()),
        shown(row.request.as_deref().unwrap_or("-")),
        shown(&row.tenant),
        row.priority.to_string(),
        rough(between(since, now)),
        gpus(GpuMilli(row.gpu_milli)),
        shown(row.sentence.as_deref().unwrap_or("-")),
    ])
}

fn foot_line(trouble: Option<&Error>) -> Line<'static> {
    match trouble {
        None => Line::from("q ends, up and down choose the pool").style(dim()),
        Some(error) => Line::from(shown(&error.to_string())).style(Style::new().fg(Color::Red)),
    }
}

fn titled(title: String) -> Block<'static> {
    Block::new().borders(Borders::TOP).title(format!(" {title} "))
}

fn fill_color(used: i64, total: i64) -> Style {
    let is_full = total > 0 && used * 10 >= total * 9;
    Style::new().fg(if is_full { Color::Yellow } else { Color::Green })
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

/// Names come from senders: no control character reaches the terminal.
fn shown(text: &str) -> String {
    crate::cli::page::shown(text).into_owned()
}
