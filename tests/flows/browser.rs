//! A person's browser without scripts: cookies, redirects one at a time, forms submitted as they stand.

use reqwest::{Method, StatusCode, header, redirect::Policy};
use scraper::{Html, Selector};
use url::Url;

/// One browser with its cookie jar.
#[derive(Clone, Debug)]
pub struct Browser {
    http: reqwest::Client,
}

/// What the browser shows after following redirects, or the redirect that leaves the test's world.
#[derive(Debug)]
pub struct Page {
    pub url: Url,
    pub status: StatusCode,
    pub headers: header::HeaderMap,
    pub html: String,
}

/// A form as it stands on a page.
#[derive(Clone, Debug)]
pub struct Form {
    pub action: Url,
    pub method: Method,
    pub fields: Vec<(String, String)>,
}

impl Browser {
    pub fn new() -> Self {
        let http = reqwest::Client::builder().cookie_store(true).redirect(Policy::none()).no_proxy().build().unwrap();
        Self { http }
    }

    /// Opens a URL as if typed, and follows redirects until a page, or until the next stop would
    /// be `until` (a client's redirect URI, where nobody listens).
    pub async fn open(&self, url: &str, until: &str) -> Page {
        self.walk(self.http.get(url), until).await
    }

    /// Opens a URL as today's browsers do after a site of this kind led there (`none`: nobody did).
    pub async fn led_by(&self, site: &str, url: &str, until: &str) -> Page {
        let headers = [("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        let request =
            headers.into_iter().fold(self.http.get(url), |request, (name, value)| request.header(name, value));
        self.walk(request, until).await
    }

    /// One request, no redirects followed.
    pub async fn get(&self, url: &str) -> Page {
        Page::read(self.http.get(url).send().await.unwrap()).await
    }

    /// Submits a form like a click on the button `name=value` does, then follows redirects.
    pub async fn submit(&self, form: &Form, button: Option<(&str, &str)>, until: &str) -> Page {
        let mut fields = form.fields.clone();
        if let Some((name, value)) = button {
            fields.push((name.to_owned(), value.to_owned()));
        }
        let origin = form.action.origin().ascii_serialization();
        let request = match form.method {
            Method::GET => {
                let mut url = form.action.clone();
                url.query_pairs_mut().clear().extend_pairs(&fields);
                self.http.get(url)
            }
            _ => self.http.post(form.action.clone()).form(&fields).header(header::ORIGIN, origin),
        };
        self.walk(request, until).await
    }

    async fn walk(&self, request: reqwest::RequestBuilder, until: &str) -> Page {
        let mut page = Page::read(request.send().await.unwrap()).await;
        for _ in 0..10 {
            let Some(target) = page.location() else { return page };
            if target.as_str().starts_with(until) {
                return page;
            }
            page = self.get(target.as_str()).await;
        }
        panic!("a redirect loop at {}", page.url);
    }
}

impl Page {
    async fn read(response: reqwest::Response) -> Self {
        Self {
            url: response.url().clone(),
            status: response.status(),
            headers: response.headers().clone(),
            html: response.text().await.unwrap(),
        }
    }

    /// Where a redirect leads.
    pub fn location(&self) -> Option<Url> {
        let target = self.headers.get(header::LOCATION)?.to_str().ok()?;
        self.status.is_redirection().then(|| self.url.join(target).unwrap())
    }

    /// The page's first form.
    pub fn form(&self) -> Form {
        let document = Html::parse_document(&self.html);
        let form = document
            .select(&Selector::parse("form").unwrap())
            .next()
            .unwrap_or_else(|| panic!("no form at {}: {} {}", self.url, self.status, self.html));
        let fields = form
            .select(&Selector::parse("input[name]").unwrap())
            .filter(|input| !matches!(input.attr("type"), Some("submit" | "radio" | "checkbox")))
            .map(|input| (input.attr("name").unwrap().to_owned(), input.attr("value").unwrap_or_default().to_owned()))
            .collect();
        let method = match form.attr("method").unwrap_or("get").to_ascii_lowercase().as_str() {
            "post" => Method::POST,
            _ => Method::GET,
        };
        Form { action: self.url.join(form.attr("action").unwrap_or_default()).unwrap(), method, fields }
    }

    /// The page's text without markup.
    pub fn text(&self) -> String {
        let document = Html::parse_document(&self.html);
        let body = Selector::parse("body").unwrap();
        document.select(&body).flat_map(|node| node.text()).collect::<Vec<_>>().join(" ")
    }

    /// The links on the page.
    pub fn links(&self) -> Vec<String> {
        let document = Html::parse_document(&self.html);
        document
            .select(&Selector::parse("a[href]").unwrap())
            .filter_map(|link| link.attr("href").map(ToOwned::to_owned))
            .collect()
    }
}
