//! Goes through the chunks that may have what is looked for, the newest first, for as long as a
//! search may take.

use std::time::{Duration, Instant};

use super::{Page, Query, Reader};
use crate::store::{StoreError, chunk::Kind, token};

/// How long a search may look through what has no index.
pub(super) const PATIENCE: Duration = Duration::from_millis(120);

/// Where a search looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range<'a> {
    pub(super) kind: Kind,
    /// Tokens that a chunk must have besides those of the query's terms.
    pub(super) marks: &'a [u32],
    /// In nanoseconds since 1970.
    pub(super) since: Option<i64>,
    /// Rows older than this one.
    pub(super) before: Option<i64>,
    pub(super) limit: usize,
}

impl Reader {
    /// `find` gives what fits of the rows between two, both included, the newest first, and no
    /// more than it is told; `id` is the row of one.
    pub(super) fn through_chunks<T>(
        &self,
        query: &Query,
        range: Range<'_>,
        id: impl Fn(&T) -> i64,
        mut find: impl FnMut(i64, i64, usize) -> Result<Vec<T>, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let began = Instant::now();
        let wanted: Vec<u32> = query
            .terms
            .iter()
            .filter(|term| token::is_indexed(&term.key, &term.value))
            .map(|term| token::pair(&term.key, &term.value))
            .chain(range.marks.iter().copied())
            .collect();
        let mut chunks = self.connection.prepare_cached(
            // By their rows: the index would have all of them sorted before the first is looked at.
            "SELECT id, first, last, tokens FROM chunk
             WHERE +signal = ?3 AND first < ?1 AND +latest >= ?2
                AND id >= (SELECT coalesce(min(id), 0) FROM chunk WHERE signal = ?3 AND latest >= ?2)
             ORDER BY id DESC",
        )?;
        let before = range.before.unwrap_or(i64::MAX);
        let mut rows = chunks.query([before, range.since.unwrap_or(0), range.kind as i64])?;
        let mut page = Page::default();
        while let Some(chunk) = rows.next()? {
            let (first, last): (i64, i64) = (chunk.get(1)?, chunk.get(2)?);
            let may = match chunk.get_ref(3)?.as_blob_or_null()? {
                Some(tokens) => token::may_contain(tokens, &wanted),
                None => true,
            };
            if may {
                // One more tells whether there is more.
                let room = range.limit + 1 - page.items.len();
                page.items
                    .extend(find(first, last.min(before.saturating_sub(1)), room)?);
                if page.items.len() > range.limit {
                    page.items.truncate(range.limit);
                    page.next = page.items.last().map(&id);
                    return Ok(page);
                }
            }
            if began.elapsed() > PATIENCE {
                page.next = Some(first);
                page.unfinished = true;
                return Ok(page);
            }
        }
        Ok(page)
    }
}
