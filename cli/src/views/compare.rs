//! Two traces beside each other, place by place.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    App,
    context::Context,
    failure::failure,
    lines::trace_id,
    trace::{drawn, parse},
};
use crate::{
    page::{
        PageRequest, Shell, View,
        chart::colour,
        format::{count, duration, time},
        markup::Markup,
        query::href,
        trace::{TraceSpan, Tree, compare as compared},
    },
    store::Trace,
};

/// One of the two.
#[derive(Debug)]
struct Side {
    letter: &'static str,
    class: String,
    service: String,
    name: String,
    href: String,
    id: String,
    start: Markup,
    duration: String,
    spans: String,
    failed: usize,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct Compare {
    /// What the fields of the form have.
    a: String,
    b: String,
    /// What is wrong with them.
    wrong: Vec<String>,
    sides: Vec<Side>,
    swapped: String,
    verdict: String,
    table: Option<Markup>,
}

pub(super) async fn compare(State(app): State<App>, request: PageRequest) -> Response {
    // A list marks them both by one name.
    let marked: Vec<&str> = request.query.all("trace").collect();
    if let [a, b, ..] = marked[..] {
        return Redirect::to(&href(&["compare"], &[("a", a), ("b", b)])).into_response();
    }
    let own = |name: &str| request.query.get(name).unwrap_or_default().to_owned();
    let (mut a, b) = (own("a"), own("b"));
    if let ([one], true) = (&marked[..], a.is_empty()) {
        a = (*one).to_owned();
    }
    let context = Context::of(&app, &request);
    let ids = [parse(a.trim()), parse(b.trim())];
    let answer = app
        .readers
        .ask(move |reader| {
            let of =
                |id: Option<u128>| id.map_or_else(|| Ok(Trace::default()), |id| reader.trace(id));
            Ok([of(ids[0])?, of(ids[1])?])
        })
        .await;
    let traces = match answer {
        Ok(traces) => traces,
        Err(error) => return failure(&request, View::Traces, &error),
    };
    let mut wrong = Vec::new();
    for ((letter, text), (id, trace)) in [("A", &a), ("B", &b)]
        .into_iter()
        .zip(ids.iter().zip(&traces))
    {
        match id {
            _ if text.is_empty() => {}
            None => wrong.push(format!("{letter}: a trace's id is 32 hexadecimal digits")),
            Some(_) if trace.spans.is_empty() => {
                wrong.push(format!(
                    "{letter}: no span of this trace is stored, or not yet"
                ));
            }
            Some(_) => {}
        }
    }
    let missing = ids
        .iter()
        .zip(&traces)
        .any(|(id, trace)| id.is_some() && trace.spans.is_empty());
    let [spans_a, spans_b] = traces.map(|trace| drawn(trace.spans));
    let (tree_a, tree_b) = (Tree::of(&spans_a), Tree::of(&spans_b));
    let both = !spans_a.is_empty() && !spans_b.is_empty();
    let sides = [
        ("A", ids[0], &spans_a, &tree_a),
        ("B", ids[1], &spans_b, &tree_b),
    ];
    let sides: Vec<Side> = sides
        .into_iter()
        .filter_map(|(letter, id, spans, tree)| side(letter, id?, spans, tree))
        .collect();
    let page = Compare {
        swapped: href(&["compare"], &[("a", &b), ("b", &a)]),
        verdict: if both {
            verdict(tree_a.duration(), tree_b.duration())
        } else {
            String::new()
        },
        table: both.then(|| compared((&spans_a, &tree_a), (&spans_b, &tree_b)).render()),
        a,
        b,
        wrong,
        sides,
    };
    let shell = Shell::new(&request, View::Traces, "Two traces compared");
    let shell = if missing {
        shell.status(StatusCode::NOT_FOUND)
    } else {
        shell
    };
    shell.live("spans", context.counters).respond(&page)
}

fn side(letter: &'static str, id: u128, spans: &[TraceSpan], tree: &Tree) -> Option<Side> {
    let root = &spans[tree.nodes.get(*tree.roots.first()?)?.span];
    let id = trace_id(id);
    Some(Side {
        letter,
        class: colour(&root.service),
        service: root.service.clone(),
        name: root.span.name.clone(),
        href: href(&["traces", &id], &[]),
        id,
        start: time(tree.start),
        duration: duration(tree.duration()),
        spans: count(spans.len() as u64),
        failed: spans.iter().filter(|span| span.failed()).count(),
    })
}

fn verdict(a: u64, b: u64) -> String {
    match b.cmp(&a) {
        std::cmp::Ordering::Greater => format!("B took {} longer than A.", duration(b - a)),
        std::cmp::Ordering::Less => format!("B was {} quicker than A.", duration(a - b)),
        std::cmp::Ordering::Equal => "Both took as long.".to_owned(),
    }
}
