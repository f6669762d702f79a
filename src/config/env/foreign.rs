//! Variables in our namespace that are not ours: Kubernetes (and Docker links) describe every
//! Service of a namespace to every container, and a Service may well be called `vestibule`.

/// Whether this is `VESTIBULE_SERVICE_HOST`, `VESTIBULE_PORT_8000_TCP_ADDR` and the like.
pub(super) fn is_service_link(name: &str, value: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = name.split('_').collect();
    let service_port = parts.windows(2).any(|pair| pair == ["SERVICE", "PORT"]);
    match parts.as_slice() {
        [.., "SERVICE", "HOST"] => true,
        _ if service_port => digits(value),
        [.., "PORT", number, "TCP" | "UDP" | "SCTP"]
        | [.., "PORT", number, "TCP" | "UDP" | "SCTP", "PROTO" | "PORT" | "ADDR"] => digits(number),
        [.., "PORT"] => value.contains("://"),
        _ => false,
    }
}
