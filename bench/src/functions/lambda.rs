//! A function as Lambda runs it: a process that polls a Runtime API for events
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc, oneshot};

/// Longer than any response takes.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "it measures elapsed time")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

pub type Variables = BTreeMap<String, String>;

/// An event, and the channel for its response.
type Invocation = (String, oneshot::Sender<Result<Value, String>>);

/// A running function.
pub struct Function {
    process: Child,
    invocations: mpsc::UnboundedSender<Invocation>,
    polled: Arc<Polled>,
    closes_connections: Arc<AtomicBool>,
}

/// The first poll for an event.
#[derive(Default)]
struct Polled {
    after: Mutex<Option<Duration>>,
    told: Notify,
}

impl Function {
    /// Starts the program, under a wrapper such as valgrind if there is one.
    pub async fn start(program: &Path, variables: &Variables, wrapper: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the port");
        let (invocations, queue) = mpsc::unbounded_channel();
        let polled = Arc::new(Polled::default());
        let closes_connections = Arc::new(AtomicBool::new(false));
        let mut command = match wrapper {
            [] => Command::new(program),
            [wrapper, arguments @ ..] => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(program);
                command
            }
        };
        command
            .env_clear()
            .envs(variables)
            .envs([
                ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
                ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
                ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ])
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let api = Api {
            queue: AsyncMutex::new(queue),
            pending: Mutex::new(BTreeMap::new()),
            polled: polled.clone(),
            closes_connections: closes_connections.clone(),
            started: Stopwatch::start(),
        };
        let process = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        tokio::spawn(serve(listener, Arc::new(api)));
        Self { process, invocations, polled, closes_connections }
    }

    /// Waits for the first poll. Returns its time since the start.
    pub async fn first_poll(&mut self) -> Duration {
        loop {
            let told = self.polled.told.notified();
            if let Some(after) = *self.polled.after.lock().unwrap_or_else(PoisonError::into_inner) {
                return after;
            }
            tokio::select! {
                () = told => {}
                status = self.process.wait() => panic!("a function ended before its first poll: {status:?}"),
            }
        }
    }

    /// Sends an event and waits for the response.
    ///
    /// # Errors
    ///
    /// The error that the function reports.
    pub async fn invoke(&self, event: &Value) -> Result<Value, String> {
        let (response, answered) = oneshot::channel();
        self.invocations.send((event.to_string(), response)).map_err(|_| "the function has ended".to_owned())?;
        answered.await.map_err(|_| "the function has ended".to_owned())?
    }

    /// As [`invoke`](Self::invoke), but also ends if the function does, as it would after a panic.
    ///
    /// # Errors
    ///
    /// The error that the function reports, or its exit status.
    pub async fn invoke_or_exit(&mut self, event: &Value) -> Result<Value, String> {
        let (response, answered) = oneshot::channel();
        self.invocations.send((event.to_string(), response)).map_err(|_| "the function has ended".to_owned())?;
        tokio::select! {
            response = answered => response.map_err(|_| "the function has ended".to_owned())?,
            status = self.process.wait() => Err(format!("the function has ended: {status:?}")),
        }
    }

    /// Whether the Runtime API closes the connection after each response from now on.
    pub fn close_connections(&self, close: bool) {
        self.closes_connections.store(close, Ordering::Relaxed);
    }

    fn pid(&self) -> u32 {
        self.process.id().expect("a process that runs")
    }

    /// A value of `/proc/<pid>/status` in KiB.
    pub fn status_kib(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("Linux");
        let value = status.lines().find_map(|text| text.strip_prefix(line)).expect("a line that Linux writes");
        value.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").parse().expect("a number of kB")
    }

    /// The processor time of the process.
    pub fn processor_time(&self) -> Duration {
        processor_time(&self.pid().to_string())
    }

    /// The processor time of all threads of the process, except those that have ended.
    pub fn processor_time_of_threads(&self) -> Duration {
        processor_time_of_threads(&self.pid().to_string())
    }

    /// Terminates the process and waits for its end.
    pub async fn terminate(mut self) {
        let pid = self.pid().to_string();
        Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().await.expect("a shell");
        self.process.wait().await.expect("the end of a process");
    }
}

/// The processor time of this thread.
pub fn processor_time_of_this_thread() -> Duration {
    processor_time("thread-self")
}

/// The processor time of all threads of this process, except those that have ended.
pub fn processor_time_of_this_process() -> Duration {
    processor_time_of_threads("self")
}

fn processor_time_of_threads(whose: &str) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{whose}/task")).expect("Linux");
    let threads = threads.filter_map(|thread| thread.ok()?.file_name().into_string().ok());
    threads.map(|thread| processor_time(&format!("{whose}/task/{thread}"))).sum()
}

fn processor_time(whose: &str) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{whose}/schedstat")).expect("Linux");
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds"))
}

struct Api {
    queue: AsyncMutex<mpsc::UnboundedReceiver<Invocation>>,
    pending: Mutex<BTreeMap<String, oneshot::Sender<Result<Value, String>>>>,
    polled: Arc<Polled>,
    closes_connections: Arc<AtomicBool>,
    started: Stopwatch,
}

async fn serve(listener: TcpListener, api: Arc<Api>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("a socket");
        let api = api.clone();
        let service = service_fn(move |request| {
            let api = api.clone();
            async move {
                let mut response = api.response(request).await;
                if api.closes_connections.load(Ordering::Relaxed) {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        // A function that is stopped drops its connection.
        tokio::spawn(async move {
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok()
        });
    }
}

impl Api {
    async fn response(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        if path.ends_with("/invocation/next") {
            return self.next().await;
        }
        let body = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
        let mut parts = path.rsplit('/');
        let (kind, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let asked = self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        if let Some(asked) = asked {
            let text = String::from_utf8_lossy(&body).into_owned();
            let response = if kind == "response" { serde_json::from_str(&text).map_err(|_| text) } else { Err(text) };
            // The measurement may have ended.
            asked.send(response).ok();
        }
        Response::builder().status(202).body(Full::default()).expect("a response")
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        {
            let mut after = self.polled.after.lock().unwrap_or_else(PoisonError::into_inner);
            after.get_or_insert_with(|| self.started.elapsed());
        }
        self.polled.told.notify_waiters();
        let Some((event, response)) = self.queue.lock().await.recv().await else {
            // The measurement has ended; the function is about to be stopped.
            return std::future::pending().await;
        };
        let id = uuid::Uuid::new_v4().to_string();
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), response);
        let deadline = kernel::Clock::now(&kernel::SystemClock).plus(TIMEOUT);
        Response::builder()
            .header("lambda-runtime-aws-request-id", id)
            .header("lambda-runtime-deadline-ms", deadline.unix_millis())
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:bench")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(event)))
            .expect("a response")
    }
}
