//! The environment a job gets: made anew from an allow-list, so that no secret of ours is in it.
use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;

/// Copied when they are set.
const ALLOWED: &[&str] = &[
    "ANDROID_HOME",
    "ANDROID_SDK_ROOT",
    "ASDF_DATA_DIR",
    "ASDF_DIR",
    "BUN_INSTALL",
    "CARGO_HOME",
    "CURL_CA_BUNDLE",
    "DOTNET_ROOT",
    "FNM_DIR",
    "GEM_HOME",
    "GEM_PATH",
    "GOMODCACHE",
    "GOPATH",
    "GOROOT",
    "JAVA_HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "MISE_DATA_DIR",
    "NODE_EXTRA_CA_CERTS",
    "NODE_PATH",
    "NVM_DIR",
    "PNPM_HOME",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "PYTHONUSERBASE",
    "RBENV_ROOT",
    "REQUESTS_CA_BUNDLE",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "SDKMAN_DIR",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
    "USER",
    "VIRTUAL_ENV",
    "VOLTA_HOME",
];

/// Tools that look below the home for what they installed there; the job's home is another one.
const IN_HOME: &[(&str, &str)] = &[
    ("ASDF_DATA_DIR", ".asdf"),
    ("CARGO_HOME", ".cargo"),
    ("GOMODCACHE", "go/pkg/mod"),
    ("GOPATH", "go"),
    ("NVM_DIR", ".nvm"),
    ("PYENV_ROOT", ".pyenv"),
    ("PYTHONUSERBASE", ".local"),
    ("RBENV_ROOT", ".rbenv"),
    ("RUSTUP_HOME", ".rustup"),
    ("VOLTA_HOME", ".volta"),
];

/// Set to a folder below the scratch folder.
const IN_SCRATCH: &[(&str, &str)] = &[
    ("GOCACHE", "cache/go-build"),
    ("HOME", "home"),
    ("PIP_CACHE_DIR", "cache/pip"),
    ("TMPDIR", "tmp"),
    ("XDG_CACHE_HOME", "cache"),
    ("XDG_CONFIG_HOME", "config"),
    ("XDG_DATA_HOME", "data"),
    ("XDG_RUNTIME_DIR", "run"),
    ("XDG_STATE_HOME", "state"),
    ("npm_config_cache", "cache/npm"),
];

const FIXED: &[(&str, &str)] = &[("CI", "true"), ("PYTHONUNBUFFERED", "1"), ("TERM", "dumb")];

/// Parts of names that speak of a secret.
const SECRET_WORDS: &[&str] = &["AUTH", "CREDENTIAL", "KEY", "PASSPHRASE", "PASSWD", "PASSWORD", "SECRET", "TOKEN"];
/// Shorter values are words of everyday language, and hiding them would blind every log.
const SHORTEST_SECRET: usize = 8;
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Name of the variable by which a job's processes are recognised.
pub(super) const MARK: &str = "PARAMEDIC_JOB";

type Variables = [(OsString, OsString)];

/// Builds the whole environment of a job; `extra` overrides everything but the mark.
pub(super) fn scrubbed(
    own: &Variables,
    scratch: &Path,
    network: bool,
    extra: &[(String, String)],
    mark: &str,
) -> Vec<(OsString, OsString)> {
    let mut env: Vec<(OsString, OsString)> =
        own.iter().filter(|(name, _)| is_allowed(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut set = |name: &str, value: OsString| {
        env.retain(|(it, _)| it != name);
        env.push((name.into(), value));
    };
    for (name, below) in IN_HOME {
        let standard = home(own).map(|it| it.join(below)).filter(|it| it.is_dir());
        if let (None, Some(path)) = (get(own, name), standard) {
            set(name, path.into_os_string());
        }
    }
    for (name, below) in IN_SCRATCH {
        set(name, scratch.join(below).into_os_string());
    }
    for (name, value) in FIXED {
        set(name, value.into());
    }
    if !network {
        set("CARGO_NET_OFFLINE", "true".into());
    }
    set("PATH", path(own));
    for (name, value) in extra {
        set(name, value.into());
    }
    set(MARK, mark.into());
    // Neither can be in an environment; a program could not be started with it.
    env.retain(|(name, value)| !name.is_empty() && !has(name, b'=') && !has(name, 0) && !has(value, 0));
    env
}

/// Makes the folders that the scrubbed environment names, except those of one tool alone, which makes them itself.
pub(super) fn prepare(scratch: &Path) -> std::io::Result<()> {
    let mut shared = IN_SCRATCH.iter().filter(|(_, below)| !below.contains('/'));
    shared.try_for_each(|(_, below)| fs::create_dir_all(scratch.join(below)))
}

/// Values of variables that a job does not get because their names speak of secrets.
pub(super) fn secrets(own: &Variables) -> Vec<String> {
    let mut found: Vec<String> = own
        .iter()
        .filter(|(name, value)| speaks_of_secret(name) && !Path::new(value).exists())
        .map(|(_, value)| value.to_string_lossy().trim().to_owned())
        .filter(|it| it.len() >= SHORTEST_SECRET)
        .collect();
    // The longest first: what hides them one by one must not leave the rest of one that contains another.
    found.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    found.dedup();
    found
}

/// The person's home.
pub(super) fn home(own: &Variables) -> Option<&Path> {
    get(own, "HOME").map(Path::new).filter(|it| it.is_absolute())
}

/// Looks a program up in our search path.
pub(super) fn find_program(own: &Variables, name: &str) -> Option<PathBuf> {
    let folders = path(own);
    let mut candidates =
        folders.as_bytes().split(|it| *it == b':').map(|it| Path::new(OsStr::from_bytes(it)).join(name));
    candidates.find(|it| it.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0))
}

/// Our search path without relative entries, which would lead into the tree.
fn path(own: &Variables) -> OsString {
    let path = get(own, "PATH").filter(|it| !it.is_empty()).unwrap_or(OsStr::new(DEFAULT_PATH));
    let entries = path.as_bytes().split(|it| *it == b':').filter(|it| it.starts_with(b"/"));
    OsStr::from_bytes(&entries.collect::<Vec<_>>().join(&b':')).to_owned()
}

fn is_allowed(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    (ALLOWED.contains(&name) || name.starts_with("LC_")) && !speaks_of_secret(OsStr::new(name))
}

fn speaks_of_secret(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    SECRET_WORDS.iter().any(|it| name.contains(it))
}

fn get<'a>(own: &'a Variables, name: &str) -> Option<&'a OsStr> {
    own.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_os_str())
}

fn has(text: &OsStr, byte: u8) -> bool {
    text.as_bytes().contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn only_what_is_listed_passes_and_never_a_secret() {
        let own = variables(&[
            ("LANG", "de"),
            ("LC_TIME", "C"),
            ("LC_TOKEN", "x"),
            ("GITHUB_TOKEN", "x"),
            ("HTTPS_PROXY", "http://u:p@h"),
            ("PYTHONPATH", "/x"),
            ("HOME", "/nowhere"),
            ("PATH", "/a:.:b::/c"),
        ]);
        let env = scrubbed(&own, Path::new("/s"), false, &[("X".into(), "1".into()), ("A=".into(), "2".into())], "m");
        let value = |name| get(&env, name).and_then(OsStr::to_str);
        assert_eq!((value("LANG"), value("LC_TIME"), value("PATH")), (Some("de"), Some("C"), Some("/a:/c")));
        assert_eq!((value("HOME"), value("TMPDIR"), value("X")), (Some("/s/home"), Some("/s/tmp"), Some("1")));
        for absent in ["LC_TOKEN", "GITHUB_TOKEN", "HTTPS_PROXY", "PYTHONPATH", "A=", "CARGO_HOME"] {
            assert_eq!(value(absent), None, "{absent}");
        }
        assert_eq!(value(MARK), Some("m"));
    }

    #[test]
    fn tools_installed_in_the_real_home_are_still_found() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".pyenv")).unwrap();
        let own = [("HOME".into(), home.path().into()), ("CARGO_HOME".into(), "/cargo".into())];
        let env = scrubbed(&own, Path::new("/s"), true, &[], "m");
        assert_eq!(get(&env, "PYENV_ROOT").map(Path::new), Some(home.path().join(".pyenv").as_path()));
        assert_eq!(get(&env, "CARGO_HOME"), Some(OsStr::new("/cargo")));
        assert_eq!(get(&env, "RUSTUP_HOME"), None);
    }

    #[test]
    fn a_program_is_a_file_that_may_be_started() {
        let home = tempfile::tempdir().unwrap();
        let path = |folder: &str| home.path().join(folder).join("tool");
        for folder in ["folder", "text", "program"] {
            fs::create_dir(home.path().join(folder)).unwrap();
        }
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("text"), "").unwrap();
        fs::write(path("program"), "").unwrap();
        fs::set_permissions(path("program"), fs::Permissions::from_mode(0o700)).unwrap();
        let folders = ["missing", "folder", "text", "program"].map(|it| home.path().join(it).display().to_string());
        let own = variables(&[("PATH", &folders.join(":"))]);
        assert_eq!(find_program(&own, "tool"), Some(path("program")));
        assert_eq!(find_program(&own, "other"), None);
    }

    #[test]
    fn secrets_are_values_worth_hiding() {
        let own = variables(&[
            ("A_TOKEN", "abcdefgh1"),
            ("db_password", "abcdefgh1-and-more"),
            ("KEYBOARD", "us"),
            ("SSH_AUTH_DIR", "/usr"),
            ("LANG", "en_US.UTF-8"),
        ]);
        assert_eq!(secrets(&own), ["abcdefgh1-and-more", "abcdefgh1"]);
    }
}
