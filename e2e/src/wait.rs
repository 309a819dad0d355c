//! Waiting for a condition, with a deadline and with evidence when it is missed.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use tokio::time::sleep;

use crate::ask::Answer;

/// How often a server is asked again. None of them can notify.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Long enough for every queue, batch and flush between a service and a server on a slow
/// machine.
pub const ARRIVAL: Duration = Duration::from_secs(60);

/// Asks until the answer is as wanted.
///
/// # Errors
/// At the deadline, with the last question and answer.
pub async fn eventually<T, F, Fut>(
    what: &str,
    deadline: Duration,
    mut ask: F,
    met: impl Fn(&T) -> bool,
) -> Result<Answer<T>>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Answer<T>>>,
{
    let start = Instant::now();
    loop {
        let last = match ask().await {
            Ok(answer) if met(&answer.value) => return Ok(answer),
            Ok(answer) => anyhow!("{}", answer.exchange()),
            Err(error) => error,
        };
        if start.elapsed() > deadline {
            bail!("not within {deadline:?}: {what}\n{last:#}");
        }
        sleep(AGAIN_AFTER).await;
    }
}

/// Asks for a while, to see that an answer stays as it is: that a count which was reached
/// is not passed.
///
/// # Errors
/// At the first answer that differs, with it.
pub async fn stays<T, F, Fut>(
    what: &str,
    length: Duration,
    mut ask: F,
    holds: impl Fn(&T) -> bool,
) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Answer<T>>>,
{
    let start = Instant::now();
    while start.elapsed() < length {
        ask()
            .await?
            .must(&format!("{what} after {:?}", start.elapsed()), &holds)?;
        sleep(AGAIN_AFTER).await;
    }
    Ok(())
}
