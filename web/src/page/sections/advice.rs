//! Advice on a set: asked for with a button, computed by a worker of its own, stopped at any time.

use super::explorer::SetChoice;
use crate::page::components::Choice;
use crate::page::context::{Context, context};
use atr_core::policy::Scenario;
use atr_core::serve::latency;
use atr_web::protocol::{Request, Response};
use atr_web::words;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Calls that are simulated at a time; of a larger set a sample is taken, and said.
const SAMPLE_CALLS: u64 = 10_000;
const REPLICAS: [u32; 5] = [1, 2, 4, 8, 16];
const SLO: &str = "ttft_ms.p95<=1000";

/// What a reader asks.
struct Ask {
    set: String,
    profile: String,
    replicas: u32,
    objectives: String,
}

/// The section behind Your Trace.
#[component]
pub(crate) fn Advice() -> impl IntoView {
    let context = context();
    let profile = RwSignal::new(Scenario::default().profile);
    let replicas = RwSignal::new(REPLICAS[1].to_string());
    let objectives = RwSignal::new(SLO.to_owned());
    let running = RwSignal::new(None::<String>);
    let answer = RwSignal::new(None::<Result<String, String>>);
    let set =
        Signal::derive(move || context.advised.get().or_else(|| context.first_set()).unwrap_or_default());
    let busy = Memo::new(move |_| running.with(Option::is_some));
    let turns = RwSignal::new(0_usize);
    let press = move |_| {
        let turn = turns.get_untracked() + 1;
        turns.set(turn);
        if busy.get_untracked() {
            running.set(None);
            return context.adviser.stop();
        }
        let ask = Ask {
            set: set.get_untracked(),
            profile: profile.get_untracked(),
            replicas: replicas.with_untracked(|number| number.parse().unwrap_or(1)),
            objectives: objectives.get_untracked(),
        };
        running.set(Some("starting".to_owned()));
        answer.set(None);
        spawn_local(async move {
            let goes_on = move || turns.get_untracked() == turn;
            let found = advise(context, ask, running, goes_on).await;
            // What was stopped answers nobody.
            if goes_on() {
                answer.set(found);
                running.set(None);
            }
        });
    };
    let profiles = Signal::derive(|| {
        let all = latency::LISTED.iter();
        all.map(|profile| (profile.name.to_owned(), format!("{} ({})", profile.title, profile.origin)))
            .collect()
    });
    let numbers = Signal::derive(|| {
        REPLICAS
            .iter()
            .map(|number| (number.to_string(), words::plural((*number).into(), "replica")))
            .collect()
    });
    let choose = Callback::new(move |name| context.advised.set(Some(name)));
    view! {
        <section class="part" id="advice" aria-labelledby="advice-title">
            <h2 id="advice-title">"Advice"</h2>
            <div class="prose">
                <p>"How far is a trace from its ceiling, what should be turned on first, and how much memory and how many servers does it need? Each sentence of the answer lists the simulated figures that it rests on. The command line says the same with "<code>"atr-bench advise"</code>"."</p>
            </div>
            <div class="controls set-up" role="group" aria-label="What advice is asked for">
                <SetChoice testid="advice-set" value=set on_choose=choose />
                <Choice testid="advice-profile" label="Hardware and model" options=profiles value=profile.into() on_choose=Callback::new(move |name| profile.set(name)) />
                <Choice testid="advice-replicas" label="Servers today" options=numbers value=replicas.into() on_choose=Callback::new(move |number| replicas.set(number)) />
                <div class="control">
                    <label for="advice-slo">"What must hold, if anything"</label>
                    <input type="text" id="advice-slo" data-testid="advice-slo" spellcheck="false" value=SLO
                        on:input=move |event| objectives.set(event_target_value(&event)) />
                </div>
                <button class="primary" data-testid="advise" on:click=press>{move || if busy.get() { "Stop" } else { "Advise" }}</button>
            </div>
            <p class="status" role="status" data-testid="advice-status">{move || running.get()}</p>
            {move || answer.get().map(told)}
        </section>
    }
}

/// The answer, or why there is none.
fn told(answer: Result<String, String>) -> AnyView {
    match answer {
        Ok(html) => view! { <div class="told advice" data-testid="advice" inner_html=html></div> }.into_any(),
        Err(why) => {
            view! { <p class="notice" role="alert" data-testid="advice-error">{format!("No advice: {why}.")}</p> }
                .into_any()
        }
    }
}

/// The answer; none where it was stopped before it was asked for.
async fn advise(
    context: Context,
    ask: Ask,
    running: RwSignal<Option<String>>,
    goes_on: impl Fn() -> bool,
) -> Option<Result<String, String>> {
    if let Err(why) = context.sets.lend(&ask.set, context.adviser).await {
        return Some(Err(why));
    }
    if !goes_on() {
        return None;
    }
    let scenario = Scenario { profile: ask.profile, replicas: ask.replicas, ..Scenario::default() };
    let request =
        Request::Advise { set: ask.set, scenario, objectives: ask.objectives, max_calls: SAMPLE_CALLS };
    let progress = move |what: &str, done| {
        running.update(|running| {
            if let Some(text) = running {
                *text = format!("{} done, now {what}", words::plural(done, "simulation"));
            }
        });
    };
    Some(match context.adviser.ask_with(request, Vec::new(), Some(Box::new(progress))).await {
        Ok((Response::Text(html), _)) => Ok(html),
        Ok(_) => Err("the worker answered something else".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}
