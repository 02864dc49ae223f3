//! Overview: one real session raced under every policy, and what that session looks like.

use super::player::Player;
use super::results_words::command;
use crate::page::components::{Badge, Choice, FigureFrame, OwnedRace, Shown, Source, mark_ready};
use crate::page::context::{Context, context};
use crate::page::dom;
use crate::page::sets::SetState;
use atr_core::figure::{RaceFigure, StripsFigure};
use atr_core::policy::Scenario;
use atr_core::rank::rank;
use atr_core::report::{Origin, Race, StripRow};
use atr_web::protocol::{Request, Response};
use atr_web::words;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::rc::Rc;
use std::sync::Arc;

/// A race and where it comes from.
#[derive(Clone)]
struct Shot {
    race: Arc<Race>,
    report: Option<String>,
    command: String,
}

/// The policy whose lane the second figure shows first.
const FIRST_LANE: &str = "prefix-aware-routing";

/// The first section.
#[component]
pub(crate) fn Overview(
    /// The abstract.
    text: String,
) -> impl IntoView {
    let context = context();
    let published = context.first_race.get_value().map(|first| Shot {
        race: first.race,
        report: Some(first.path),
        command: first.command,
    });
    let trouble = RwSignal::new(published.as_ref().err().cloned());
    if published.is_err() {
        // A page without its race is as ready as it will be.
        mark_ready();
    }
    let shot = RwSignal::new(published.ok());
    let t_us = RwSignal::new(shot.with_untracked(|shot| shot.as_ref().map_or(0, |shot| opening(&shot.race))));
    follow(context, shot, trouble);
    let end_us = Signal::derive(move || shot.with(|shot| shot.as_ref().map_or(0, |shot| shot.race.end_us())));
    Effect::new(move |before: Option<()>| {
        let at = shot.with(|shot| shot.as_ref().map_or(0, |shot| opening(&shot.race)));
        if before.is_some() {
            t_us.set(at);
        }
    });
    let figure: Signal<Option<Shown>, LocalStorage> = Signal::derive_local(move || {
        let race = shot.with(|shot| shot.as_ref().map(|shot| shot.race.clone()))?;
        Some(Rc::new(OwnedRace { race, t_us: t_us.get() }) as Shown)
    });
    let badge = Signal::derive(move || Badge {
        origin: Some(Origin::Simulated),
        now: shot.with(|shot| shot.as_ref().is_some_and(|shot| shot.report.is_none())),
    });
    let source = Signal::derive(move || shot.with(|shot| shot.as_ref().map(source_of).unwrap_or_default()));
    let stops = Signal::derive(move || {
        shot.with(|shot| shot.as_ref().map(|shot| stops(&shot.race)).unwrap_or_default())
    });
    view! {
        <section class="part" id="overview" aria-label="Overview">
            <h2 class="visually-hidden">"Overview"</h2>
            {move || trouble.get().map(|why| view! { <p class="notice" role="alert">{format!("The race cannot be shown: {why}.")}</p> })}
            <FigureFrame name="race" number=1 figure badge source reserve=260 first=true>
                <Player t_us end_us stops />
            </FigureFrame>
            <p class="abstract">{text}</p>
            {move || shot.with(|shot| shot.as_ref().map(|shot| prose(context, &shot.race)))}
            <SessionStrips shot badge source />
        </section>
    }
}

#[component]
fn SessionStrips(
    shot: RwSignal<Option<Shot>>,
    badge: Signal<Badge>,
    source: Signal<Source>,
) -> impl IntoView {
    let context = context();
    let policy = RwSignal::new(FIRST_LANE.to_owned());
    let figure: Signal<Option<Shown>, LocalStorage> = Signal::derive_local(move || {
        let call = context.view.with(|view| view.call);
        shot.with(|shot| {
            let race = &shot.as_ref()?.race;
            let policy = policy.get();
            let figure = StripsFigure {
                name: race.session.clone(),
                rows: race.lane(&policy)?.strips(),
                cache: policy,
                selected: call.map(|call| call as usize),
            };
            Some(Rc::new(figure) as Shown)
        })
    });
    let options = Signal::derive(move || {
        shot.with(|shot| {
            let lanes = shot.iter().flat_map(|shot| &shot.race.lanes);
            lanes.map(|lane| (lane.policy.clone(), lane.policy.clone())).collect::<Vec<_>>()
        })
    });
    let choose = Callback::new(move |name| policy.set(name));
    view! {
        <FigureFrame name="lane" number=2 figure badge source reserve=520>
            <div class="controls">
                <Choice testid="select-lane" label="Under the policy" options value=policy.into() on_choose=choose />
            </div>
        </FigureFrame>
    }
}

/// The moment that a race opens at: the fairest single picture, or the end where motion is not wanted.
fn opening(race: &Race) -> u64 {
    if dom::reduced_motion() { race.end_us() } else { RaceFigure::at_first_finish(race).t_us }
}

/// The report's race, until another session is chosen: that one the worker computes.
fn follow(context: Context, shot: RwSignal<Option<Shot>>, trouble: RwSignal<Option<String>>) {
    let published = shot.get_untracked();
    let chosen = Memo::new(move |_| {
        let session = context.view.with(|view| view.session.clone())?;
        Some((context.set_name()?, session))
    });
    Effect::new(move |_| {
        let chosen = chosen.get();
        let same = |(set, session): &(String, String)| {
            published.as_ref().is_some_and(|shot| {
                // The sample's sessions are those of the set that it is drawn from.
                let known = shot.race.set.name == *set || context.first_set().as_ref() == Some(set);
                shot.race.session == *session && known
            })
        };
        match chosen.filter(|chosen| !same(chosen)) {
            None => {
                if shot.with_untracked(|shot| shot.as_ref().is_some_and(|shot| shot.report.is_none())) {
                    shot.set(published.clone());
                }
            }
            Some((set, session)) => {
                if matches!(context.sets.state(&set), Some(SetState::Ready(_))) {
                    let scenario = published.as_ref().map(|shot| shot.race.scenario.scenario.clone());
                    compute(context, shot, trouble, (set, session, scenario.unwrap_or_default()));
                }
            }
        }
    });
}

fn compute(
    context: Context,
    shot: RwSignal<Option<Shot>>,
    trouble: RwSignal<Option<String>>,
    (set, session, scenario): (String, String, Scenario),
) {
    spawn_local(async move {
        let request = Request::Race { set, session: session.clone(), scenario };
        match context.worker.ask(request).await {
            Ok(Response::Race(computed)) => {
                trouble.set(None);
                let all = command(&computed.body.set, &computed.body.scenario.scenario, None);
                let command = format!("{all} --session {session}");
                shot.set(Some(Shot { race: Arc::new(computed.body), report: None, command }));
            }
            Ok(_) => trouble.set(Some("the worker answered something else".to_owned())),
            Err(error) => trouble.set(Some(error.to_string())),
        }
    });
}

fn source_of(shot: &Shot) -> Source {
    Source {
        report: shot.report.clone(),
        json: if shot.report.is_none() { serde_json::to_string_pretty(&*shot.race).ok() } else { None },
        command: shot.command.clone(),
    }
}

/// The moments at which a call of any lane ends, in order.
fn stops(race: &Race) -> Vec<u64> {
    let ends: Vec<u64> =
        race.lanes.iter().flat_map(|lane| &lane.calls).filter_map(|call| call.finished_us).collect();
    let mut stops: Vec<u64> = rank(ends.iter().copied()).into_iter().map(|place| ends[place]).collect();
    stops.dedup();
    stops
}

/// What the session says, in sentences; every number is counted from the trace or from the race.
fn prose(context: Context, race: &Race) -> impl IntoView + use<> {
    let naive = race.lane("naive").or_else(|| race.lanes.first());
    let said = naive.map(|lane| {
        let output: u64 = lane.calls.iter().map(|call| call.output_tokens).sum();
        let pause = lane.calls.iter().map(|call| call.pause_us).max().unwrap_or(0);
        (lane.calls.len() as u64, lane.prompt_tokens(), output, pause)
    });
    let session = race.session.clone();
    // Known once the worker has read the trace; the sentence stands without it.
    let before = move || {
        context.session.with(|view| {
            let view = view.as_ref().filter(|view| view.id == session)?;
            let sum = |f: fn(&StripRow) -> u64| view.strips.iter().map(f).sum::<u64>();
            let (prompt, cached) = (sum(|row| row.prompt_tokens), sum(|row| row.cached_tokens));
            let share = words::percent((prompt > 0).then(|| cached as f64 / prompt as f64));
            Some(format!(" Of what it sent, {share} it had sent before."))
        })
    };
    said.map(|(calls, prompt, output, pause)| {
        view! {
            <div class="prose">
                <p>{format!(
                    "Chat sends a question and leaves. An agent returns. In {} this session sent {} prompt tokens to produce {}.",
                    words::plural(calls, "call"), words::short(prompt), words::short(output),
                )}{before}" A server that remembers pays for the new lines only. A server that forgets pays for everything, on every turn."</p>
                <p class="note">{format!(
                    "Sent before: an exact prefix of an earlier call of the session, in whole blocks. The longest pause between two calls is {}, and engines do not wait for it.",
                    words::time_us(pause),
                )}</p>
            </div>
        }
    })
}
