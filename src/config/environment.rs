//! A snapshot of the process environment, taken once at start.
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The environment as it was at start; tests bring their own.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// Reads the environment of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the reader of the environment")]
    pub fn of_this_process() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    pub fn from_pairs(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self { variables: pairs.into_iter().collect() }
    }

    /// Returns a variable that is set, not empty, and text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(std::ffi::OsStr::new(name))?.to_str()?;
        (!value.is_empty()).then_some(value)
    }

    /// Returns the first of several names that is set.
    pub fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|it| self.text(it))
    }

    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.variables.get(std::ffi::OsStr::new(name)).filter(|it| !it.is_empty()).map(PathBuf::from)
    }

    /// Returns all variables, for the processes that are started.
    pub fn pairs(&self) -> Vec<(OsString, OsString)> {
        self.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Returns where this program's own file is, so that it can start itself as supervisor.
    pub fn own_program() -> std::io::Result<PathBuf> {
        std::env::current_exe()
    }

    /// Returns the folder the program was started in.
    pub fn current_dir() -> std::io::Result<PathBuf> {
        std::env::current_dir()
    }
}
