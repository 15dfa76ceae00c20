//! Where in a request a field stands.

use std::fmt;

/// The path of a field, such as `mail.message.to[2].email`. Written out only
/// for fields that break a rule.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Field(&'static str),
    Item(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// A field of the request itself.
    pub(in crate::api) const fn root(name: &'static str) -> Self {
        Self {
            parent: None,
            step: Step::Field(name),
        }
    }

    /// A field of the message that stands here.
    pub(in crate::api) fn field(&'a self, name: &'static str) -> Self {
        self.then(Step::Field(name))
    }

    /// An item of the list that stands here.
    pub(super) fn item(&'a self, index: usize) -> Self {
        self.then(Step::Item(index))
    }

    /// A value of the map that stands here.
    pub(super) fn key(&'a self, key: &'a str) -> Self {
        self.then(Step::Key(key))
    }

    fn then(&'a self, step: Step<'a>) -> Self {
        Self {
            parent: Some(self),
            step,
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Field(name) if self.parent.is_some() => write!(f, ".{name}"),
            Step::Field(name) => f.write_str(name),
            Step::Item(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key:?}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_in_the_protos() {
        let mail = Path::root("mail");
        let to = mail.field("message");
        let to = to.field("to");
        assert_eq!(
            to.item(2).field("email").to_string(),
            "mail.message.to[2].email"
        );
        let tags = mail.field("tags");
        assert_eq!(tags.key("a\n").to_string(), r#"mail.tags["a\n"]"#);
    }
}
