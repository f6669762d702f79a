//! What a scrape of `/metrics` costs, at 1, 5 and 100 providers with four routes each, in both formats:
//! the number of series, the size of the text and the time to gather and write it.
//!
//! `cargo bench --bench scrape`; no network is used.

#![expect(clippy::print_stdout, reason = "the numbers are the point")]

use std::{error::Error, time::Instant};

use http::{Method, StatusCode};
use vestibule::metrics::{
    Format, Metrics, ProviderMetrics, RouteMetrics,
    outcome::{Callback, ProviderEndpoint, StreamKind},
};

const SIZES: [usize; 3] = [1, 5, 100];
const ROUTES: usize = 4;
const ROUNDS: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:>9}  {:>8}  {:>12}  {:>10}  {:>8}  median of {ROUNDS}", "providers", "series", "format", "KiB", "ms");
    for size in SIZES {
        let (metrics, _handles) = busy(size)?;
        for format in [Format::Text, Format::OpenMetrics] {
            let text = metrics.render_as(format);
            let series = text.lines().filter(|line| !line.starts_with('#')).count();
            let mut times: Vec<f64> = (0..ROUNDS)
                .map(|_| {
                    let begun = Instant::now();
                    let text = metrics.render_as(format);
                    let took = begun.elapsed().as_secs_f64() * 1000.0;
                    std::hint::black_box(text);
                    took
                })
                .collect();
            times.sort_by(f64::total_cmp);
            let median = times.get(ROUNDS / 2).copied().unwrap_or_default();
            println!("{size:>9}  {series:>8}  {:>12}  {:>10}  {median:>8.2}", format!("{format:?}"), text.len() / 1024);
        }
    }
    Ok(())
}

type Handles = (ProviderMetrics, Vec<RouteMetrics>);

/// Everything that exists from the start, and what a day of traffic adds.
/// The series are there as long as the handles are.
fn busy(providers: usize) -> Result<(std::sync::Arc<Metrics>, Vec<Handles>), Box<dyn Error>> {
    let metrics = Metrics::new()?;
    let mut handles = Vec::new();
    for index in 0..providers {
        let name = format!("provider-{index}");
        let provider = metrics.provider(&name);
        provider.callback(Callback::Ok);
        provider.login(Callback::Ok, Some(std::time::Duration::from_secs(3)));
        for endpoint in ProviderEndpoint::ALL {
            for result in ["200", "400", "503", "timeout"] {
                provider.provider_request(*endpoint, result, std::time::Duration::from_millis(70));
            }
        }
        let mut routes = Vec::new();
        for route in 0..ROUTES {
            let route = metrics.route(&format!("{name}/route-{route}"));
            for method in [Method::GET, Method::POST, Method::DELETE] {
                for status in [StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::BAD_GATEWAY] {
                    route.http().request(&method, status, Some(std::time::Duration::from_millis(5)));
                }
            }
            drop(route.stream(StreamKind::Sse));
            routes.push(route);
        }
        handles.push((provider, routes));
    }
    Ok((metrics, handles))
}
