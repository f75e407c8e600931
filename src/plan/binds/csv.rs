//! One record of comma-separated values, as `--mount` takes it. RFC 4180.

/// The fields of `text`: between commas, or between quotes, in which two quotes stand for one.
pub(super) fn split(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, behind) = match rest.strip_prefix(b"\"") {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.iter().position(|byte| *byte == b',');
                let end = end.unwrap_or(rest.len());
                (rest[..end].to_vec(), &rest[end..])
            }
        };
        fields.push(field);
        match behind.split_first() {
            None => return Ok(fields),
            Some((b',', next)) => rest = next,
            Some(_) => return Err("a quote ends before its field does".to_owned()),
        }
    }
}

fn quoted_field(text: &[u8]) -> Result<(Vec<u8>, &[u8]), String> {
    let mut field = Vec::new();
    let mut rest = text;
    loop {
        match rest {
            [b'"', b'"', behind @ ..] => {
                field.push(b'"');
                rest = behind;
            }
            [b'"', behind @ ..] => return Ok((field, behind)),
            [byte, behind @ ..] => {
                field.push(*byte);
                rest = behind;
            }
            [] => return Err("a quote has no end".to_owned()),
        }
    }
}

/// The record of these fields.
pub(super) fn join(fields: &[Vec<u8>]) -> Vec<u8> {
    let quoted = |field: &Vec<u8>| match field.iter().any(|byte| b",\"".contains(byte)) {
        false => field.clone(),
        true => {
            let mut text = vec![b'"'];
            for byte in field {
                text.push(*byte);
                if *byte == b'"' {
                    text.push(b'"');
                }
            }
            text.push(b'"');
            text
        }
    };
    fields.iter().map(quoted).collect::<Vec<_>>().join(&b',')
}
