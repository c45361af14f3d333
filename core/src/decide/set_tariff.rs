//! `SetTariff`: what GPUs cost at which time of day.

use super::stage_one::Bounds;
use super::{BUDGETS_SINCE, check_version};
use crate::command::{SetTariff, TariffSpan};
use crate::decision::{Event, Rejected, TariffSet};
use crate::draft::Draft;
use crate::limits::{MINUTES_OF_DAY, PRICE_MICRO_USD_MAX, TARIFF_SPANS_MAX};
use crate::rejection::{RejectionCode as Code, refuse};
use crate::units::PoolId;

pub(super) fn check(tariff: &SetTariff) -> Result<(), Rejected> {
    Bounds::count("spans", tariff.spans.len(), TARIFF_SPANS_MAX)?;
    tariff.spans.iter().try_for_each(check_span)?;
    let mut spans: Vec<&TariffSpan> = tariff.spans.iter().collect();
    spans.sort_by_key(|span| (&span.gpu_model, span.from_minute));
    let mut pairs = spans.windows(2);
    let overlap = pairs.find(|pair| {
        pair[0].gpu_model == pair[1].gpu_model && pair[1].from_minute < pair[0].until_minute
    });
    let Some([first, second]) = overlap else { return Ok(()) };
    let detail = format!(
        "spans of '{}' overlap: minutes {} to {} and {} to {}",
        first.gpu_model,
        first.from_minute,
        first.until_minute,
        second.from_minute,
        second.until_minute
    );
    Err(refuse(Code::OutOfRange, detail))
}

fn check_span(span: &TariffSpan) -> Result<(), Rejected> {
    let TariffSpan { gpu_model, from_minute, until_minute, micro_usd_per_hour } = span;
    Bounds::id("spans.gpu_model", &gpu_model.0)?;
    Bounds::number("spans.from_minute", *from_minute, 0, MINUTES_OF_DAY - 1)?;
    Bounds::number("spans.until_minute", *until_minute, from_minute + 1, MINUTES_OF_DAY)?;
    let field = "spans.micro_usd_per_hour";
    Bounds::number(field, micro_usd_per_hour.0, 1, PRICE_MICRO_USD_MAX)
}

/// What is set already changes nothing.
pub(super) fn decide(draft: &mut Draft, pool: &PoolId, tariff: &SetTariff) -> Result<(), Rejected> {
    check_version(draft, BUDGETS_SINCE, "tariffs come")?;
    if draft.state.pool(pool).tariff != tariff.spans {
        let (id, tariff) = (pool.clone(), tariff.clone());
        draft.emit(Event::TariffSet(TariffSet { pool: id, tariff }));
        draft.freed.insert(pool.clone());
    }
    Ok(())
}
