//! Lines and columns of the fields of one object.

use std::fmt;

/// A place in a file, counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    /// A position from its parts.
    pub fn new(line: usize, column: usize) -> Self {
        Self { line, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// Where the fields of one object were written: the key of a field, the start of an item.
#[derive(Clone, Debug)]
pub struct Positions {
    root: Position,
    children: Children,
}

#[derive(Clone, Debug)]
enum Children {
    None,
    Items(Vec<Positions>),
    Fields(Vec<(String, Positions)>),
}

impl Positions {
    /// Where the object starts.
    pub fn root(&self) -> Position {
        self.root
    }

    /// Where a field such as `spec.eventSources[0].kind` was written; for one that was not, where
    /// the nearest field around it was.
    pub fn of(&self, path: &str) -> Position {
        let mut place = self;
        let mut rest = path;
        while let Some((child, after)) = place.child(rest) {
            place = child;
            rest = after;
        }
        place.root
    }

    pub(super) fn scalar(root: Position) -> Self {
        Self {
            root,
            children: Children::None,
        }
    }

    pub(super) fn list(root: Position, items: Vec<Self>) -> Self {
        Self {
            root,
            children: Children::Items(items),
        }
    }

    pub(super) fn map(root: Position, fields: Vec<(String, Self)>) -> Self {
        Self {
            root,
            children: Children::Fields(fields),
        }
    }

    pub(super) fn at(mut self, root: Position) -> Self {
        self.root = root;
        self
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &Self)> {
        let fields = match &self.children {
            Children::Fields(fields) => fields.as_slice(),
            Children::None | Children::Items(_) => &[],
        };
        fields.iter().map(|(name, place)| (name.as_str(), place))
    }

    pub(super) fn items(&self) -> &[Self] {
        match &self.children {
            Children::Items(items) => items,
            Children::None | Children::Fields(_) => &[],
        }
    }

    /// Takes the places of a field's items out.
    pub(super) fn take_items(&mut self, field: &str) -> Vec<Self> {
        let Children::Fields(fields) = &mut self.children else {
            return Vec::new();
        };
        match fields.iter_mut().find(|(name, _)| name == field) {
            Some((_, place)) => match std::mem::replace(&mut place.children, Children::None) {
                Children::Items(items) => items,
                Children::None | Children::Fields(_) => Vec::new(),
            },
            None => Vec::new(),
        }
    }

    /// The child that a path starts with, and the rest of the path.
    fn child<'path>(&self, path: &'path str) -> Option<(&Self, &'path str)> {
        match &self.children {
            Children::None => None,
            Children::Items(items) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                Some((items.get(index.parse::<usize>().ok()?)?, rest))
            }
            Children::Fields(fields) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                // Keys may contain dots, so the longest key that fits is meant.
                fields
                    .iter()
                    .filter_map(|(key, place)| {
                        let rest = path.strip_prefix(key.as_str())?;
                        let ends = rest.is_empty() || rest.starts_with(['.', '[']);
                        (ends && !key.is_empty()).then_some((key.len(), place, rest))
                    })
                    .max_by_key(|(length, ..)| *length)
                    .map(|(_, place, rest)| (place, rest))
            }
        }
    }
}
