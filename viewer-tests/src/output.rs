//! What a child process prints, kept for the message of a failure.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

/// How long to read on after a child's end: a grandchild may keep the pipe open.
const REST_WITHIN: Duration = Duration::from_secs(2);

/// The lines that a child has printed to one of its outputs so far. They are read beside
/// everything else, so that the child never waits for a reader.
#[derive(Debug)]
pub(crate) struct Output {
    kept: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Output {
    pub(crate) fn read(from: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self::read_telling(from, |_| {})
    }

    /// The same, with each line on a channel too, for who waits for one of them.
    pub(crate) fn read_with_lines(
        from: impl AsyncRead + Send + Unpin + 'static,
    ) -> (Self, mpsc::UnboundedReceiver<String>) {
        let (sender, lines) = mpsc::unbounded_channel();
        let output = Self::read_telling(from, move |line| {
            // Nobody may wait any more, which is no failure.
            sender.send(line.to_owned()).ok();
        });
        (output, lines)
    }

    fn read_telling(
        from: impl AsyncRead + Send + Unpin + 'static,
        mut tell: impl FnMut(&str) + Send + 'static,
    ) -> Self {
        let kept = Arc::<Mutex<Vec<String>>>::default();
        let lines_kept = Arc::clone(&kept);
        let reader = tokio::spawn(async move {
            let mut lines = BufReader::new(from).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                tell(&line);
                lines_kept
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        Self { kept, reader }
    }

    pub(crate) fn text(&self) -> String {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }

    /// All of it, once the child has ended.
    pub(crate) async fn rest(&mut self) -> String {
        timeout(REST_WITHIN, &mut self.reader).await.ok();
        self.text()
    }
}
