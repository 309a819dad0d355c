use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

fn probe<F>(limit: Duration, ask: impl Fn() -> F + Send + Sync + 'static) -> Arc<Probe>
where
    F: Future<Output = Result<Value, String>> + Send + 'static,
{
    Arc::new(Probe::new("test".to_owned(), Kind::Critical, limit, ask))
}

const LONG: Duration = Duration::from_secs(60);
const NEVER_OLD: Duration = Duration::from_secs(3_600);

#[test]
fn a_herd_asks_once() {
    runtime().block_on(async {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let (open, gate) = watch::channel(false);
        let probe = probe(LONG, move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut gate = gate.clone();
            async move {
                gate.wait_for(|open| *open)
                    .await
                    .map_err(|error| error.to_string())?;
                Ok(Value::Null)
            }
        });
        // Not even old findings are taken for the same run's.
        let herd: Vec<_> = (0..100).map(|_| probe.finding(Duration::ZERO)).collect();
        open.send(true).unwrap();
        for waiting in herd {
            assert!(waiting.await.result.is_ok());
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        probe.finding(NEVER_OLD).await;
        assert_eq!(runs.load(Ordering::SeqCst), 1, "it is still good");
        probe.finding(Duration::ZERO).await;
        assert_eq!(runs.load(Ordering::SeqCst), 2, "it is not any more");
    });
}

#[test]
fn who_asked_first_may_go_away() {
    runtime().block_on(async {
        let (open, gate) = watch::channel(false);
        let probe = probe(LONG, move || {
            let mut gate = gate.clone();
            async move {
                gate.wait_for(|open| *open)
                    .await
                    .map_err(|error| error.to_string())?;
                Ok(Value::Null)
            }
        });
        drop(probe.finding(NEVER_OLD));
        let second = probe.finding(NEVER_OLD);
        open.send(true).unwrap();
        assert!(second.await.result.is_ok());
    });
}

#[test]
fn one_that_is_late_or_panics_is_unhealthy_and_says_why() {
    runtime().block_on(async {
        let late = probe(Duration::from_millis(20), std::future::pending);
        let finding = late.finding(NEVER_OLD).await;
        assert_eq!(finding.result, Err("no answer within 20ms".to_owned()));

        let panics = probe(LONG, || async { panic!("no {}", "luck") });
        let finding = panics.finding(NEVER_OLD).await;
        assert_eq!(
            finding.result,
            Err("the check panicked: no luck".to_owned())
        );

        let before = probe(LONG, || -> std::future::Ready<_> { panic!("at once") });
        let finding = before.finding(NEVER_OLD).await;
        assert_eq!(
            finding.result,
            Err("the check panicked: at once".to_owned())
        );
    });
}

#[test]
fn one_that_blocks_its_thread_is_not_started_again_before_it_returns() {
    runtime().block_on(async {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let (release, hold) = std::sync::mpsc::channel::<()>();
        let hold = Arc::new(Mutex::new(hold));
        let probe = probe(Duration::from_millis(20), move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let hold = Arc::clone(&hold);
            async move {
                // As a driver that knows nothing of async would.
                let _ = hold.lock().unwrap().recv();
                Ok(Value::Null)
            }
        });
        assert!(probe.finding(Duration::ZERO).await.result.is_err());
        let again = probe.finding(Duration::ZERO).await;
        let why = again.result.as_ref().unwrap_err();
        assert!(why.contains("has not returned yet"), "{why}");
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        drop(release);
        let deadline = Instant::now() + Duration::from_secs(20);
        while probe.finding(Duration::ZERO).await.result.is_err() {
            assert!(Instant::now() < deadline, "it never runs again");
            tokio::task::yield_now().await;
        }
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn without_a_runtime_it_is_unhealthy_and_does_not_panic() {
    let probe = probe(LONG, || async { Ok(Value::Null) });
    let waiting = probe.finding(NEVER_OLD);
    let finding = runtime().block_on(waiting);
    let why = finding.result.as_ref().unwrap_err();
    assert!(why.contains("Tokio runtime"), "{why}");
}
