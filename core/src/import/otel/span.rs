//! Spans as the protocol and the exporters of several languages write them.

use super::attributes::Attributes;
use crate::import::json::Text;
use crate::import::list::List;
use crate::import::when::{Nanos, When};

record! {
    /// A span, or what holds spans.
    Span<'a> {
        "resourceSpans" => resource_spans: List<Span<'a>>,
        "resource_spans" => resource_spans_snake: List<Span<'a>>,
        "scopeSpans" => scope_spans: List<Span<'a>>,
        "scope_spans" => scope_spans_snake: List<Span<'a>>,
        "instrumentationLibrarySpans" => library_spans: List<Span<'a>>,
        "spans" => spans: List<Span<'a>>,
        "context" => context: Context<'a>,
        "traceId" => trace_camel: Text<'a>,
        "trace_id" => trace_snake: Text<'a>,
        "spanId" => span_camel: Text<'a>,
        "span_id" => span_snake: Text<'a>,
        "parentSpanId" => parent_camel: Text<'a>,
        "parent_span_id" => parent_snake: Text<'a>,
        "parent_id" => parent: Text<'a>,
        "startTimeUnixNano" => start_nano: Nanos,
        "start_time_unix_nano" => start_nano_snake: Nanos,
        "start_time" => start: When,
        "startTime" => start_camel: When,
        "endTimeUnixNano" => end_nano: Nanos,
        "end_time_unix_nano" => end_nano_snake: Nanos,
        "end_time" => end: When,
        "endTime" => end_camel: When,
        "attributes" => attributes: Attributes<'a>,
        "events" => events: List<Event<'a>>,
        "status" => status: Status<'a>,
        "status_code" => status_code: Text<'a>,
    } ignoring [
        "name", "kind", "links", "resource", "scope", "schemaUrl", "flags", "traceState", "trace_state", "schema_url",
        "droppedAttributesCount", "droppedEventsCount", "droppedLinksCount", "instrumentationScope", "instrumentation_scope",
        "instrumentationLibrary", "durationNano", "duration", "span_kind", "status_message", "parentSpanContext",
    ]
}

record! {
    Context<'a> {
        "trace_id" => trace: Text<'a>,
        "span_id" => span: Text<'a>,
        "traceId" => trace_camel: Text<'a>,
        "spanId" => span_camel: Text<'a>,
    } ignoring ["trace_state", "traceState", "traceFlags", "trace_flags", "is_remote"]
}

record! {
    Event<'a> {
        "name" => name: Text<'a>,
        "attributes" => attributes: Attributes<'a>,
    } ignoring ["timestamp", "timeUnixNano", "droppedAttributesCount", "time_unix_nano"]
}

record! {
    Status<'a> {
        "code" => code: crate::import::json::Verbatim<'a>,
        "status_code" => status_code: Text<'a>,
    } ignoring ["message", "description"]
}

impl<'a> Span<'a> {
    /// The spans in it, itself included, in file order. Counts the keys that nobody knows.
    pub(super) fn flatten(mut self, spans: &mut Vec<Span<'a>>, unknown: &mut u64) {
        *unknown += self.unknown;
        let lists = [
            &mut self.resource_spans,
            &mut self.resource_spans_snake,
            &mut self.scope_spans,
            &mut self.scope_spans_snake,
            &mut self.library_spans,
            &mut self.spans,
        ];
        let inner: Vec<Span<'a>> =
            lists.into_iter().flat_map(|list| std::mem::take(&mut list.items)).collect();
        let holds = !inner.is_empty() || self.wrong.is_some();
        inner.into_iter().for_each(|span| span.flatten(spans, unknown));
        if !holds {
            spans.push(self);
        }
    }

    pub(super) fn trace(&self) -> &str {
        first([&self.trace_camel, &self.trace_snake, &self.context.trace, &self.context.trace_camel])
    }

    pub(super) fn id(&self) -> &str {
        first([&self.span_camel, &self.span_snake, &self.context.span, &self.context.span_camel])
    }

    pub(super) fn parent(&self) -> &str {
        first([&self.parent_camel, &self.parent_snake, &self.parent, &Text(None)])
    }

    pub(super) fn started(&self) -> Option<u64> {
        let stated = self.start_nano.0.or(self.start_nano_snake.0);
        stated.or(self.start.0).or(self.start_camel.0)
    }

    pub(super) fn ended(&self) -> Option<u64> {
        let stated = self.end_nano.0.or(self.end_nano_snake.0);
        stated.or(self.end.0).or(self.end_camel.0)
    }

    /// Whether it succeeded; `None` where that is not said.
    pub(super) fn ok(&self) -> Option<bool> {
        let codes = [self.status.code.as_str(), self.status.status_code.as_str(), self.status_code.as_str()];
        codes.iter().find_map(|code| match code.trim_matches('"') {
            "2" | "ERROR" | "STATUS_CODE_ERROR" | "StatusCode.ERROR" => Some(false),
            "1" | "OK" | "STATUS_CODE_OK" | "StatusCode.OK" => Some(true),
            _ => None,
        })
    }
}

fn first<'s>(texts: [&'s Text<'_>; 4]) -> &'s str {
    texts.into_iter().map(Text::as_str).find(|text| !text.is_empty()).unwrap_or_default()
}
