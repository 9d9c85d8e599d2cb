//! What is known of Python's names: the standard library, and which package an import comes from.

/// Modules that run tests or install packages: if one is missing, the environment is, not a line in a file.
const RUNNERS: &str = "\
    _pytest coverage ensurepip hatchling nose nose2 nox pip pipenv poetry pytest setuptools tox unittest2 uv \
    virtualenv wheel";

/// Imports whose package has another name.
const PACKAGES: &[(&str, &str)] = &[
    ("Crypto", "pycryptodome"),
    ("Cryptodome", "pycryptodomex"),
    ("Levenshtein", "Levenshtein"),
    ("MySQLdb", "mysqlclient"),
    ("OpenSSL", "pyOpenSSL"),
    ("PIL", "Pillow"),
    ("PyPDF2", "PyPDF2"),
    ("absl", "absl-py"),
    ("attr", "attrs"),
    ("bitarray", "bitarray"),
    ("bs4", "beautifulsoup4"),
    ("cairo", "pycairo"),
    ("corsheaders", "django-cors-headers"),
    ("crispy_forms", "django-crispy-forms"),
    ("cv2", "opencv-python"),
    ("dateutil", "python-dateutil"),
    ("debug_toolbar", "django-debug-toolbar"),
    ("discord", "discord.py"),
    ("django_filters", "django-filter"),
    ("dns", "dnspython"),
    ("docx", "python-docx"),
    ("dotenv", "python-dotenv"),
    ("environ", "django-environ"),
    ("faiss", "faiss-cpu"),
    ("fitz", "PyMuPDF"),
    ("flask_bcrypt", "Flask-Bcrypt"),
    ("flask_caching", "Flask-Caching"),
    ("flask_cors", "Flask-Cors"),
    ("flask_login", "Flask-Login"),
    ("flask_migrate", "Flask-Migrate"),
    ("flask_restful", "Flask-RESTful"),
    ("flask_sqlalchemy", "Flask-SQLAlchemy"),
    ("flask_wtf", "Flask-WTF"),
    ("fuzzywuzzy", "fuzzywuzzy"),
    ("git", "GitPython"),
    ("github", "PyGithub"),
    ("gitlab", "python-gitlab"),
    ("googleapiclient", "google-api-python-client"),
    ("gridfs", "pymongo"),
    ("grpc", "grpcio"),
    ("grpc_tools", "grpcio-tools"),
    ("impala", "impyla"),
    ("jose", "python-jose"),
    ("jwt", "PyJWT"),
    ("kafka", "kafka-python"),
    ("ldap", "python-ldap"),
    ("ldap3", "ldap3"),
    ("magic", "python-magic"),
    ("markdown", "Markdown"),
    ("memcache", "python-memcached"),
    ("mpl_toolkits", "matplotlib"),
    ("multipart", "python-multipart"),
    ("mysql", "mysql-connector-python"),
    ("nacl", "PyNaCl"),
    ("nmap", "python-nmap"),
    ("OpenGL", "PyOpenGL"),
    ("parse", "parse"),
    ("pkg_resources", "setuptools"),
    ("pptx", "python-pptx"),
    ("psycopg2", "psycopg2-binary"),
    ("pwiz", "peewee"),
    ("pydantic_settings", "pydantic-settings"),
    ("pylab", "matplotlib"),
    ("pyximport", "Cython"),
    ("pytest_asyncio", "pytest-asyncio"),
    ("pytest_cov", "pytest-cov"),
    ("pytest_mock", "pytest-mock"),
    ("pythoncom", "pywin32"),
    ("ratelimit", "ratelimit"),
    ("requests_mock", "requests-mock"),
    ("requests_oauthlib", "requests-oauthlib"),
    ("requests_toolbelt", "requests-toolbelt"),
    ("rest_framework", "djangorestframework"),
    ("rest_framework_simplejwt", "djangorestframework-simplejwt"),
    ("sentence_transformers", "sentence-transformers"),
    ("sentry_sdk", "sentry-sdk"),
    ("serial", "pyserial"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("skopt", "scikit-optimize"),
    ("slugify", "python-slugify"),
    ("snappy", "python-snappy"),
    ("socketio", "python-socketio"),
    ("engineio", "python-engineio"),
    ("socks", "PySocks"),
    ("speech_recognition", "SpeechRecognition"),
    ("sqlalchemy", "SQLAlchemy"),
    ("telegram", "python-telegram-bot"),
    ("typing_extensions", "typing-extensions"),
    ("umap", "umap-learn"),
    ("usb", "pyusb"),
    ("uwsgidecorators", "uWSGI"),
    ("vlc", "python-vlc"),
    ("websocket", "websocket-client"),
    ("werkzeug", "Werkzeug"),
    ("whitenoise", "whitenoise"),
    ("win32api", "pywin32"),
    ("win32com", "pywin32"),
    ("wx", "wxPython"),
    ("xdist", "pytest-xdist"),
    ("yaml", "PyYAML"),
    ("zmq", "pyzmq"),
];

/// Top-level modules that many packages share: the top alone does not tell which is meant.
const SHARED: &str = "azure backports google jaraco opentelemetry oslo ruamel sphinxcontrib zope";

/// What is known below the shared ones.
const SHARED_PACKAGES: &[(&str, &str)] = &[
    ("azure.identity", "azure-identity"),
    ("azure.storage.blob", "azure-storage-blob"),
    ("google.auth", "google-auth"),
    ("google.cloud.bigquery", "google-cloud-bigquery"),
    ("google.cloud.storage", "google-cloud-storage"),
    ("google.generativeai", "google-generativeai"),
    ("google.protobuf", "protobuf"),
    ("opentelemetry.sdk", "opentelemetry-sdk"),
    ("opentelemetry.trace", "opentelemetry-api"),
    ("ruamel.yaml", "ruamel.yaml"),
    ("zope.interface", "zope.interface"),
];

/// Well-known packages whose import has the package's name: never taken for a misspelling.
const SAME_NAME: &str = "\
    aiofiles aiohttp alembic anyio appdirs arrow asyncpg attrs babel bcrypt black bleach boto boto3 botocore \
    cachetools cattrs celery certifi cffi chardet cherrypy click cloudpickle cmd2 colorama coloredlogs \
    cryptography cycler cython dash dask decorator deepdiff django docker docopt docutils elasticsearch \
    email_validator ephem eventlet factory faker falcon fastapi filelock fire flake8 flask freezegun gensim \
    geopandas gevent graphene graphviz gunicorn h11 h2 h5py html5lib httplib2 httptools httpx humanize hypothesis \
    idna imageio isort itsdangerous jinja2 jmespath joblib jsonpickle jsonschema keras kombu lxml mako marshmallow \
    matplotlib mock more_itertools moto mpmath msgpack multidict mypy natsort netaddr networkx nltk numba numexpr \
    numpy oauthlib openai openpyxl orjson packaging pandas paramiko passlib pathspec patsy peewee pendulum pexpect \
    pika platformdirs plotly pluggy polars prettytable psutil psycopg pyarrow pyasn1 pycparser pydantic pygame \
    pygments pyinotify pylint pymongo pymysql pyparsing pyproj pyspark pytz rasterio redis regex requests \
    responses retrying rich rsa rtree ruff scapy schedule scipy scrapy seaborn selenium shapely simplejson six \
    sortedcontainers spacy sphinx sqlglot sqlmodel sqlparse starlette statsmodels structlog sympy tabulate tblib \
    tenacity tensorflow termcolor textblob toml tomli tomlkit toolz torch torchvision tornado tqdm transformers \
    trio twisted typer tzlocal ujson unidecode urllib3 uvicorn uvloop validators watchdog wcwidth websockets wrapt \
    wtforms xarray xgboost xlrd xlsxwriter xlwt xmltodict yarl zstandard";

/// Every module of the standard library from 3.8 to 3.13 that has no leading underscore, test packages included.
const STDLIB: &str = "\
    __future__ __main__ abc aifc antigravity argparse array ast asynchat asyncio asyncore atexit audioop base64 \
    bdb binascii binhex bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath cmd code codecs codeop \
    collections colorsys compileall concurrent configparser contextlib contextvars copy copyreg crypt csv ctypes \
    curses dataclasses datetime dbm decimal difflib dis distutils doctest dummy_threading email encodings \
    ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch formatter fractions ftplib functools gc \
    genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr \
    imp importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma macpath \
    mailbox mailcap marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt \
    ntpath nturl2path numbers opcode operator optparse os ossaudiodev parser pathlib pdb pickle pickletools pipes \
    pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc \
    pydoc_data pyexpat queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select \
    selectors shelve shlex shutil signal site sitecustomize smtpd smtplib sndhdr socket socketserver spwd sqlite3 \
    sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct subprocess sunau symbol \
    symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios test textwrap this threading time \
    timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types typing \
    unicodedata unittest urllib usercustomize uu uuid venv warnings wave weakref webbrowser winreg winsound \
    wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo";

fn lists(words: &str, word: &str) -> bool {
    words.split(' ').any(|it| it == word)
}

pub(super) fn is_runner(module: &str) -> bool {
    lists(RUNNERS, module)
}

pub(super) fn is_stdlib(module: &str) -> bool {
    // `_sqlite3`, `_ctypes` …: parts of the interpreter that were not built.
    module.starts_with('_') || lists(STDLIB, module)
}

/// Returns the package a well-known import comes from.
pub(super) fn known_package(module: &str) -> Option<&'static str> {
    let other = PACKAGES.iter().find(|(name, _)| *name == module).map(|(_, package)| *package);
    other.or_else(|| SAME_NAME.split(' ').find(|it| *it == module))
}

pub(super) fn is_shared(module: &str) -> bool {
    lists(SHARED, module)
}

/// Returns the package that a module below a shared one comes from.
pub(super) fn shared_package(full: &str) -> Option<&'static str> {
    let is_in = |name: &str| full.strip_prefix(name).is_some_and(|it| it.is_empty() || it.starts_with('.'));
    SHARED_PACKAGES.iter().find(|(name, _)| is_in(name)).map(|(_, package)| *package)
}

/// Returns every name that a misspelling could have meant.
pub(super) fn known_modules<'a>() -> impl Iterator<Item = &'a str> {
    let mapped = PACKAGES.iter().map(|(name, _)| *name);
    STDLIB.split(' ').chain(SAME_NAME.split(' ')).chain(mapped)
}

/// Whether a module is a plain identifier, so that it may be written into a file at all.
pub(super) fn is_module(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
}

/// Returns a package's name as indexes compare it (PEP 503).
pub(super) fn normalised(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for ch in name.chars() {
        let ch = if matches!(ch, '-' | '_' | '.') { '-' } else { ch.to_ascii_lowercase() };
        if ch != '-' || !normal.ends_with('-') {
            normal.push(ch);
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_usable() {
        assert!(PACKAGES.len() >= 40);
        let is_package = |it: &str| it.chars().all(|ch| ch.is_ascii_alphanumeric() || ".-_".contains(ch));
        assert!(PACKAGES.iter().all(|(module, package)| is_module(module) && is_package(package)));
        assert!(STDLIB.split(' ').is_sorted(), "so that a reader finds what is missing");
        assert_eq!(normalised("Ruamel__yaml.-X"), "ruamel-yaml-x");
    }
}
