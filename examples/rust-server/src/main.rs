//! An MCP server without a line of authentication: Vestibule stands in front of it.

use http::request::Parts;
use rmcp::{
    ServerHandler,
    handler::server::{tool::Extension, wrapper::Parameters},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{StreamableHttpService, session::local::LocalSessionManager},
};

struct Example;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Add {
    a: f64,
    b: f64,
}

#[tool_router]
impl Example {
    #[tool(description = "Who is calling, as the gateway told this server.")]
    async fn whoami(&self, Extension(request): Extension<Parts>) -> String {
        let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
        serde_json::json!({
            "subject": header("x-vestibule-subject"),
            "email": header("x-vestibule-email"),
            "scopes": header("x-vestibule-scopes"),
        })
        .to_string()
    }

    #[tool(description = "Add two numbers.")]
    async fn add(&self, Parameters(Add { a, b }): Parameters<Add>) -> String {
        (a + b).to_string()
    }
}

#[tool_handler]
impl ServerHandler for Example {}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let service = StreamableHttpService::new(|| Ok(Example), LocalSessionManager::default().into(), Default::default());
    // Loopback only: whoever reaches this port directly can claim to be anybody.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://127.0.0.1:3000/mcp");
    axum::serve(listener, axum::Router::new().nest_service("/mcp", service)).await
}
