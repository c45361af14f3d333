//! `replay timeline --html FILE`: the timeline as one page to keep. The file is whole or not there.

use crate::args::{LogArguments, PageArguments};
use crate::view::View;
use conclave::cli::page::Page;
use conclave::error::{Error, Result};
use conclave::log::LogReader as _;
use conclave::report::show::count;
use conclave::timeline::{Details, Options, Timeline, page};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(crate) fn run(arguments: &PageArguments) -> Result<u8> {
    let PageArguments { html, log, from, until, pool, force } = arguments;
    check_may_write(html, *force)?;
    let view = log.view(&[Some(*from), *until], pool.as_ref())?;
    view.check_begins(None)?;
    let (from, until) = (from.offset, until.map(|until| until.offset));
    if from.0 > 0 {
        view.check_reaches(from)?;
    }
    let options = Options { pool: pool.clone(), from, until, ..Options::default() };
    let timeline = Timeline::of(&view.log, &options).map_err(|error| view.explain(error))?;
    let mut details =
        Details::of(&view.log, &timeline, &options).map_err(|error| view.explain(error))?;
    details.explain_votes(&view.log, view.models()).map_err(|error| view.explain(error))?;
    details.source = source(log, &view);
    if until.is_none() {
        // A page of half a log would look like the whole one.
        view.end(0)?;
    }
    let text = page::self_contained(&timeline, &details)?;
    write_whole(html, text.as_bytes(), *force)?;
    let mut out = Page::open();
    out.line(&said(html, &timeline, &details, text.len()))?;
    out.flush()?;
    view.end(0)
}

/// What finds the partition again.
fn source(log: &LogArguments, view: &View) -> String {
    let typed = log.source.typed();
    match view.place.partition_count() {
        1 => typed,
        _ => format!("{typed} --partition {}", view.log.partition()),
    }
}

fn said(html: &Path, timeline: &Timeline, details: &Details, bytes: usize) -> String {
    let number = |length: usize| u64::try_from(length).expect("lengths are small");
    let left_out = match timeline.requests_left_out {
        0 => String::new(),
        left_out => format!(" ({left_out} older ones left out)"),
    };
    let requests = count(number(timeline.requests.name.len()), "request");
    let nodes = count(number(timeline.heat.node.len()), "node");
    let decisions = count(number(details.lines.len()), "decision");
    let older = match details.left_out {
        0 => String::new(),
        older => format!(" ({older} older ones left out)"),
    };
    let kib = bytes / 1_024;
    let path = html.display();
    format!("{path}: {requests}{left_out}, {nodes}, {decisions}{older}, {kib} KiB")
}

fn check_may_write(html: &Path, force: bool) -> Result<()> {
    if html.is_dir() {
        return Err(Error::invalid(format!("{} is a folder: name a file", html.display())));
    }
    if html.exists() && !force {
        return Err(there_already(html));
    }
    Ok(())
}

fn there_already(html: &Path) -> Error {
    let path = html.display();
    Error::invalid(format!(
        "{path} is there already: choose another name, or replace it with --force"
    ))
}

/// Writes beside the file and renames, so that nobody ever opens half a page.
fn write_whole(html: &Path, bytes: &[u8], force: bool) -> Result<()> {
    let beside = beside(html)?;
    let written = write_synced(&beside, bytes).and_then(|()| put(&beside, html, force));
    // Gone already when it was renamed.
    let _ignored = fs::remove_file(&beside);
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists if !force => there_already(html),
        _ => {
            let path = html.display();
            Error::unavailable(format!(
                "{path} cannot be written: check that its folder exists, may be written to and \
                 has room"
            ))
            .caused_by(error)
        }
    })
}

/// Gives the file its name. A link never replaces anything, whoever was faster; where there are no
/// links, a rename has to do.
fn put(beside: &Path, html: &Path, force: bool) -> std::io::Result<()> {
    if force {
        return fs::rename(beside, html);
    }
    match fs::hard_link(beside, html) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists && !html.exists() => {
            fs::rename(beside, html)
        }
        done => done,
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn beside(html: &Path) -> Result<PathBuf> {
    let Some(name) = html.file_name() else {
        return Err(Error::invalid(format!("{} names no file", html.display())));
    };
    let mut beside = name.to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    Ok(html.with_file_name(beside))
}
