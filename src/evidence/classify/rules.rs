//! The table of what a log line says about the kind of a failure.
//!
//! | column | meaning |
//! | --- | --- |
//! | category, confidence | as in seed 001, finer where its patterns matched too much |
//! | role | `Ordinary`: the code or its set-up is wrong; `Explains`: so much so that nothing else need be looked for; `Framework`: a test framework reports failing tests; `Outside`: the world around the code; never chosen beside `Explains` or `Framework` |
//! | pattern | matched on one line without CI prefixes and escape sequences; exceptions only at the start of a line |
use crate::domain::Category;
use crate::evidence::pattern::byte_pattern_set;
use regex::bytes::RegexSet;
use std::sync::LazyLock;

/// What a rule's match means for the other rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Ordinary,
    Explains,
    Framework,
    Outside,
}

/// One row of the table.
pub(super) struct Rule {
    pub(super) category: Category,
    pub(super) confidence: f64,
    pub(super) role: Role,
    pub(super) error_type: Option<&'static str>,
    pattern: &'static str,
}

const fn row(category: Category, confidence: f64, role: Role, pattern: &'static str) -> Rule {
    Rule { category, confidence, role, error_type: None, pattern }
}

const fn typed(
    category: Category,
    confidence: f64,
    role: Role,
    error_type: &'static str,
    pattern: &'static str,
) -> Rule {
    Rule { category, confidence, role, error_type: Some(error_type), pattern }
}

/// The rules; of equal confidence the earlier one wins.
pub(super) const TABLE: &[Rule] = &[
    // Dependency
    row(
        Category::Dependency,
        0.95,
        Role::Explains,
        r"^(?:E\s+|\s+)?(?:[\w.]+: )?ModuleNotFoundError: |^(?:E\s+)?ImportError: (?:No module named|cannot import name|attempted relative)",
    ),
    row(Category::Dependency, 0.90, Role::Ordinary, r"^(?:E\s+)?ImportError: |: No module named [\w.'-]+$"),
    typed(
        Category::Dependency,
        0.95,
        Role::Explains,
        "MODULE_NOT_FOUND",
        r"(?:^|\b)Error(?: \[ERR_MODULE_NOT_FOUND\])?: Cannot find (?:module|package) '|code: '(?:ERR_)?MODULE_NOT_FOUND'|^\s*Cannot find module '.*' from '|error TS2307: ",
    ),
    typed(Category::Dependency, 0.90, Role::Ordinary, "ERESOLVE", r"^npm (?:ERR!|error) (?:code )?ERESOLVE\b"),
    row(
        Category::Dependency,
        0.90,
        Role::Ordinary,
        r"there is no package called|\bpackage .{1,80} is not available\b|^ERROR: (?:Could not find a version that satisfies|No matching distribution found for|ResolutionImpossible)",
    ),
    row(
        Category::Dependency,
        0.90,
        Role::Explains,
        r"^error(?:\[E0(?:432|433|463)\])?: (?:unresolved import|failed to resolve: use of (?:undeclared|unresolved)|can't find crate|no matching package)",
    ),
    row(
        Category::Dependency,
        0.90,
        Role::Explains,
        r"\.go:\d+:\d+: (?:no required module provides package|cannot find package|package \S+ is not in (?:GOROOT|std))|^go: .*missing go\.sum entry",
    ),
    row(
        Category::Dependency,
        0.85,
        Role::Ordinary,
        r"^npm (?:ERR!|error) .*(?:lock file|package-lock\.json).*(?:not in sync|out of date|in sync)|^error: the lock file .* needs to be updated|ERR_PNPM_OUTDATED_LOCKFILE|^E: Unable to locate package|: error while loading shared libraries: ",
    ),
    row(
        Category::Dependency,
        0.80,
        Role::Ordinary,
        r"(?:^|: )(?:\d+: )?[\w.+-]+: (?:command )?not found$|: No module named pytest\b",
    ),
    // Syntax
    row(
        Category::Syntax,
        0.95,
        Role::Explains,
        r"^(?:E\s+|\s+|# )?(?:SyntaxError|IndentationError|TabError): |^Uncaught SyntaxError: |^\s*SyntaxError \[",
    ),
    row(
        Category::Syntax,
        0.90,
        Role::Explains,
        r"\bmapping values are not allowed\b|\byaml\.(?:scanner|parser)\.\w+Error|(?i)\binvalid yaml\b|\byaml: line \d+: |Invalid workflow file",
    ),
    row(
        Category::Syntax,
        0.90,
        Role::Explains,
        r"^error: (?:expected (?:one of )?[`'a-z].*, found |unexpected closing delimiter|this file contains an unclosed delimiter|mismatched closing delimiter|unterminated )|\.go:\d+:\d+: syntax error|: error TS1\d{3}: |: syntax error near unexpected token|: syntax error: unexpected|Parsing error: |\.\w+:\d+(?::\d+)?: error: expected ",
    ),
    row(
        Category::Syntax,
        0.85,
        Role::Ordinary,
        r"^(?:<<<<<<<|>>>>>>>) \S|^error: .*(?:unmerged|conflict marker)|(?:JSONDecodeError|TOMLDecodeError|toml\.decoder\.\w+|tomllib\.\w+): ",
    ),
    // Build
    row(
        Category::Build,
        0.92,
        Role::Explains,
        r"^error\[E\d{4}\]: |: error TS\d{3,5}: | - error TS\d{3,5}: |\.(?:c|cc|cpp|cxx|h|hpp|m|mm):\d+(?::\d+)?: (?:fatal )?error: |\.java:\d+: error: |\.kt:\d+:\d+: error|\.cs\(\d+,\d+\): error CS\d+|^\./?\S*\.go:\d+:\d+: \S|^\S+/\S+\.go:\d+:\d+: \S",
    ),
    row(
        Category::Build,
        0.90,
        Role::Explains,
        r"\bundefined reference to\b|\bundefined symbol: |collect2: error: ld returned|^ld: |linker command failed|linking with `.*` failed",
    ),
    row(
        Category::Build,
        0.85,
        Role::Ordinary,
        r"(?i)^\S*\s*build failed\b|\bBUILD FAILURE\b|\bcompilation (?:error|failed)\b|^error: could not compile `|\[build failed\]|Failed to compile\b|^error: aborting due to",
    ),
    row(Category::Build, 0.80, Role::Ordinary, r"^g?make(?:\[\d+\])?: \*\*\* No rule to make target|^CMake Error"),
    row(
        Category::Build,
        0.75,
        Role::Ordinary,
        r"^\s*\d+:\d+\s+error\s{2,}\S|^would reformat \S|^Oh no!|^Diff in \S+|^Found \d+ errors? in \d+ files?|: error: .*\[[a-z-]+\]$|^\S+:\d+:\d+: [A-Z]{1,4}\d{3,4} \S|Code style issues found",
    ),
    // Test
    row(
        Category::Test,
        0.90,
        Role::Framework,
        r"^(?:FAIL|ERROR): \w+ \([\w.<>]+\)|^FAILED \((?:[a-z ]+=\d+, )*(?:failures|errors|unexpected successes)=\d+|^(?:FAILED|ERROR) \S+\.py(?:::|$| - )|^=* ?(?:\d+ \w+, )*\d+ (?:failed|errors?)\b.* in [\d.]+s",
    ),
    row(
        Category::Test,
        0.90,
        Role::Framework,
        r"^test .+ \.\.\. FAILED$|^test result: FAILED\.|^\s*--- FAIL: \S|^FAIL\t\S+\t[\d.]+s$|^\s+(?:FAIL|SIGABRT|SIGSEGV) \[\s*[\d.]+s\]|^\s*Summary \[.*\d+ failed",
    ),
    row(
        Category::Test,
        0.90,
        Role::Framework,
        r"^\s*not ok \d+ |^(?:#|ℹ) fail [1-9]|^Tests:\s+\d+ failed|^\s*Tests\s+\d+ failed|^\s+[1-9]\d* failing\b|^\s*FAIL\s+\S+\.[cm]?[jt]sx?\b|Tests run: \d+, Failures: (?:[1-9]|\d+, Errors: [1-9])|^\d+ examples?, [1-9]\d* failures?",
    ),
    row(
        Category::Test,
        0.85,
        Role::Explains,
        r"^(?:E\s+|\s+|# )?(?:[\w.]+\.)?AssertionError\b|^E\s+assert |^thread '.*' (?:\(\d+\) )?panicked at|^\s*assertion .*failed|^\s*assert(?:ion)? failed\b|ERR_ASSERTION|^Assertion failed: |Assertion `.*' failed\.|^\s+\S+_test\.go:\d+: |^\s*expect\(.*\)\.\w+",
    ),
    row(
        Category::Test,
        0.75,
        Role::Explains,
        r"^(?:E\s+|\s+|# |Uncaught )?(?:[\w.]+\.)?(?:KeyError|ValueError|TypeError|NameError|AttributeError|IndexError|ZeroDivisionError|RecursionError|NotImplementedError|StopIteration|UnboundLocalError|UnicodeDecodeError|UnicodeEncodeError|FileNotFoundError|IsADirectoryError|NotADirectoryError|FileExistsError|LookupError|OverflowError|ArithmeticError|RuntimeError|ReferenceError|RangeError|NullPointerException|IllegalArgumentException|IllegalStateException|IndexOutOfBoundsException|ClassCastException)(?:: |$)",
    ),
    row(
        Category::Test,
        0.75,
        Role::Ordinary,
        r"^panic: |^fatal error: all goroutines|^Exception in thread |^Segmentation fault|\(core dumped\)$|AddressSanitizer: ",
    ),
    // A comparison by the program itself: what it speaks of is not what failed.
    row(
        Category::Test,
        0.70,
        Role::Explains,
        r"(?i)\b(?:expected|want(?:ed)?)\b.{1,120}(?:\bgot|\breceived|\bbut was|\bbut found)\b|\bgot\b.{1,120}\b(?:want(?:ed)?|expected)\b",
    ),
    row(
        Category::Test,
        0.70,
        Role::Ordinary,
        r"(?i)\btests? (?:\S+ )?failed\b|\bexpected\b.{1,120}\b(?:but )?(?:got|was|received|found)\b|\bassertion\b.{0,40}\berror\b|^\s*(?:✖|✗|✘|✕|×|●) \S",
    ),
    row(
        Category::Test,
        0.60,
        Role::Ordinary,
        r"^(?:E\s+|# )?(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Failure)(?:: |$)",
    ),
    // Timeout
    typed(
        Category::Timeout,
        0.95,
        Role::Ordinary,
        "Timeout",
        r"has exceeded the maximum execution time|execution took longer than \S+ .*(?:terminated|cancelled)|^panic: test timed out after |^E?\s*Failed: Timeout (?:\(?>|[\d.])|Exceeded timeout of \d+ ?ms for a (?:test|hook)|Timeout of \d+ms exceeded|Test timed out in \d+ ?ms|The action .* has timed out after",
    ),
    typed(
        Category::Timeout,
        0.85,
        Role::Outside,
        "Timeout",
        r"(?i)\b(?:command|process|job|step|build|script|run|operation|test|task)\b.{0,60}\btimed out\b|\btimed out after \d|\bexceeded (?:the )?(?:time limit|timeout of|deadline)\b|\bcontext deadline exceeded\b|\bkilled by timeout\b",
    ),
    typed(
        Category::Timeout,
        0.70,
        Role::Outside,
        "TimeoutError",
        r"^(?:E\s+)?(?:[\w.]+\.)?(?:TimeoutError|TimeoutExpired)(?:: |$)|^##\[error\]The operation was canceled",
    ),
    // Resource
    typed(
        Category::Resource,
        0.95,
        Role::Outside,
        "ENOSPC",
        r"(?i)\bno space left on device\b|\bdisk quota exceeded\b|\bENOSPC\b",
    ),
    typed(
        Category::Resource,
        0.90,
        Role::Outside,
        "OutOfMemory",
        r"(?i)\bout of memory\b|\b(?-i:OOM)(?:-?killed| killer)\b|\bOOMKilled\b|\bheap out of memory\b|\bcannot allocate memory\b|\boutofmemoryerror\b|^(?:E\s+)?MemoryError\b|\bmemory cgroup out\b|^Killed(?: process \d+.*)?$|\bsignal: 9, SIGKILL|process didn't exit successfully.*SIGKILL",
    ),
    typed(
        Category::Resource,
        0.80,
        Role::Outside,
        "ResourceLimit",
        r"(?i)\btoo many open files\b|\bresource temporarily unavailable\b|\bno runners? (?:available|online)\b|runner has received a shutdown signal|lost communication with the server|^(?:##\[error\])?(?:[\w./-]+:\d+: )?The job was not (?:started because|acquired by Runner)\b",
    ),
    // Auth, credential, security: before permission, which they would also match
    typed(
        Category::Auth,
        0.95,
        Role::Outside,
        "AuthenticationFailed",
        r"(?i)\bauthentication failed for\b|\bcould not read (?:username|password) for\b|\binvalid username or (?:password|token)\b|\bpermission denied \(publickey|\bbad credentials\b|\bresource not accessible by (?:integration|personal access token)\b|\bunauthorized: |\bdenied: (?:requested access|permission)\b|\bHTTP Basic: Access denied\b",
    ),
    typed(
        Category::Auth,
        0.90,
        Role::Outside,
        "AuthenticationFailed",
        r"^npm (?:ERR!|error) code E(?:401|403|NEEDAUTH)\b|(?i)\b(?:HTTP(?:/[\d.]+)?|status(?: code)?|error|response|returned)\W{0,3}(?:code\W{0,3})?(?:401|403)\b|\b401 (?:client error: )?unauthorized\b|\b403 (?:client error: )?forbidden\b(?:.{0,20}\bhttps?://)|\bpermission to \S+ denied to\b|\b(?:refusing to allow|not authorized to perform)\b|\bAccessDenied(?:Exception)?\b",
    ),
    typed(
        Category::Credential,
        0.92,
        Role::Outside,
        "MissingCredential",
        r"(?i)\b(?:unable to locate|could not (?:load|find)(?: the)?(?: default)?|no valid|missing|no) (?:aws |gcp |azure |default |api )?credentials\b|\binput required and not supplied: \S*(?:token|key|secret|password)|\b(?:incorrect|invalid|expired|missing|no) (?:api[ _-]?key|access token|auth token|security token)\b|\bsecurity token included in the request is (?:invalid|expired)\b|\btoken (?:has |is )?expired\b|\bExpiredToken\b",
    ),
    typed(
        Category::Credential,
        0.88,
        Role::Outside,
        "MissingCredential",
        r"(?i)\b(?:secret|environment variable|env var)\b.{0,60}\b(?:token|secret|key|password|credentials?)\b.{0,30}\b(?:not set|is empty|is missing|not found|not defined|is required|must be set)\b|\b[A-Z][A-Z0-9_]*_(?:TOKEN|SECRET|API_KEY|ACCESS_KEY|PASSWORD|CREDENTIALS)\b.{0,20}\b(?:not set|is empty|is missing|not found|not defined|is required|must be set|unset)\b",
    ),
    typed(
        Category::Security,
        0.92,
        Role::Outside,
        "SecurityFinding",
        r"(?i)\bGH013\b|\bpush protection\b|\bleaks found: [1-9]|\b(?:secrets?|leaks?) (?:was |were )?detected\b|\bGHSA-[a-z0-9-]{10,}|\bRUSTSEC-\d{4}-\d+|^error: \d+ vulnerabilit(?:y|ies) found|\bTotal: \d+ \(.*CRITICAL: [1-9]|>> Issue: \[B\d+|\bCVE-\d{4}-\d{4,}\b.{0,80}\b(?:critical|high|fixed in|vulnerab)",
    ),
    // Permission
    typed(
        Category::Permission,
        0.85,
        Role::Outside,
        "PermissionDenied",
        r"(?i)^(?:\S+: ){0,4}.{0,200}\bpermission denied\b|\boperation not permitted\b|\bEACCES\b|^(?:E\s+)?PermissionError: |\baccess (?:is )?denied\b",
    ),
    // Network
    typed(
        Category::Network,
        0.90,
        Role::Outside,
        "NameResolution",
        r"(?i)\b(?:unable to|could not|couldn't|failed to) resolve host\b|\bname resolution\b|\bENOTFOUND\b|\bEAI_AGAIN\b|\bname or service not known\b|\bno such host\b|\bgetaddrinfo\b.{0,30}\bfail|\bdns\b.{0,40}\bfail(?:ed|ure)\b|\bgaierror\b",
    ),
    typed(
        Category::Network,
        0.85,
        Role::Outside,
        "ConnectionFailed",
        r"(?i)\bconnection (?:refused|reset|timed out|timeout|aborted)\b|\bECONN(?:REFUSED|RESET|ABORTED)\b|\bETIMEDOUT\b|\bfailed to (?:connect|establish a new connection|download)\b|\bnetwork (?:is )?(?:unreachable|error|timeout)\b|\bcould not connect to\b|\bTLS handshake timeout\b|\bremote end hung up\b|\bcertificate verify failed\b|\bx509: certificate\b|\bspurious network error\b",
    ),
    typed(
        Category::Network,
        0.85,
        Role::Outside,
        "ServiceUnavailable",
        r"(?i)\b(?:HTTP(?:/[\d.]+)?|status(?: code)?|error|response|returned)\W{0,3}(?:code\W{0,3})?(?:429|500|502|503|504)\b|\b(?:502 bad gateway|503 service (?:temporarily )?unavailable|504 gateway time-?out|429 too many requests)\b|\brate limit exceeded\b|\btoomanyrequests\b",
    ),
    // Docker
    typed(
        Category::Docker,
        0.90,
        Role::Outside,
        "DockerPull",
        r"(?i)\bmanifest (?:for \S+ |\S+ )?(?:not found|unknown)\b|\bdocker\b.{0,60}\bpull\b.{0,60}\bfail|\bpull access denied for\b|\bError response from daemon: .*(?:not found|manifest|pull)|\bCannot connect to the Docker daemon\b",
    ),
    typed(
        Category::Docker,
        0.88,
        Role::Outside,
        "DockerBuild",
        r"(?i)\bfailed to solve\b|\bdocker\b.{0,60}\bbuild\b.{0,60}\bfail|^ERROR \[[^\]]+ \d+/\d+\]|\bdockerfile parse error\b|^#\d+ ERROR: |\bThe command '/bin/sh -c .*' returned a non-zero code",
    ),
];

pub(super) static SET: LazyLock<RegexSet> = LazyLock::new(|| byte_pattern_set(TABLE.iter().map(|rule| rule.pattern)));
