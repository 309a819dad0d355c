//! `key=value` pairs with commas between, percent-encoded: headers and resource attributes.

/// Keys and values decoded. The error names the key or the position, never a value:
/// headers hold credentials.
pub(super) fn parse_pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for (index, pair) in text.split(',').enumerate() {
        let pair = pair.trim();
        if pair.is_empty() {
            continue;
        }
        let Some((key, value)) = pair.split_once('=') else {
            return Err(format!("entry {} has no `=`", index + 1));
        };
        let key = key.trim();
        if key.is_empty() {
            return Err(format!("entry {} has no key", index + 1));
        }
        let decode = |part: &str| {
            percent_decode(part).ok_or_else(|| format!("`{key}` is not percent-encoded UTF-8"))
        };
        pairs.push((decode(key)?, decode(value.trim())?));
    }
    Ok(pairs)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_percent_decoded() {
        assert_eq!(
            parse_pairs("team=caf%C3%A9, region = eu%2Cwest ,,").unwrap(),
            [
                ("team".to_owned(), "café".to_owned()),
                ("region".to_owned(), "eu,west".to_owned())
            ]
        );
    }

    #[test]
    fn a_pair_that_cannot_be_decoded_is_refused_without_its_value() {
        for text in ["key=hunter2%zz", "key=%ff", "hunter2", "=hunter2"] {
            let said = parse_pairs(text).unwrap_err();
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
