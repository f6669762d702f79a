//! Somebody whose programs register, sign in, refresh and revoke without a pause, and who writes down
//! what they were told. Every answer is held against that.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;
use vestibule::seal::{random_text, sha256};

use crate::{
    chance::Chance,
    gateway::{GRACE, Place, REDIRECT_URI},
    wire::{self, Insisted, Reply, ask, insist},
};

/// Grants that one person has at a time.
const MOST_GRANTS: usize = 8;
/// Ended grants of one person that are looked at again.
const MOST_ENDED: usize = 6;

/// What happened how often, by everybody.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<&'static str, usize>>>);

/// Who does it. One mount, several clients, all state of the client's side.
pub struct Person {
    pub place: Arc<Place>,
    /// Empty, or `/brief`.
    pub mount: &'static str,
    pub name: String,
    pub chance: Chance,
    pub tally: Tally,
    http: reqwest::Client,
    clients: Vec<Client>,
    codes: Vec<Code>,
    grants: Vec<Grant>,
    ended: Vec<Grant>,
}

#[derive(Clone, Debug)]
struct Client {
    id: String,
    secret: Option<String>,
}

/// A code that the client heard of and has not used.
#[derive(Clone, Debug)]
struct Code {
    client: Client,
    text: String,
    verifier: String,
}

/// What became of a code.
#[derive(Clone, Debug)]
struct Grant {
    code: Code,
    access: String,
    /// The living head of the family.
    refresh: String,
    /// Its first replaced token, and when that was replaced.
    oldest: Option<(String, Instant)>,
}

/// The tokens of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tokens {
    access: String,
    refresh: String,
}

// === impl Tally ===

impl Tally {
    pub fn count(&self, what: &'static str) {
        *self.0.lock().unwrap().entry(what).or_default() += 1;
    }

    pub fn of(&self, what: &str) -> usize {
        self.0.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    pub fn tell(&self) {
        for (what, times) in &*self.0.lock().unwrap() {
            println!("{times:>7} {what}");
        }
    }
}

// === impl Person ===

impl Person {
    pub fn new(place: &Arc<Place>, mount: &'static str, name: String, chance: Chance, tally: &Tally) -> Self {
        Self {
            place: Arc::clone(place),
            mount,
            name,
            chance,
            tally: tally.clone(),
            http: wire::http(),
            clients: Vec::new(),
            codes: Vec::new(),
            grants: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Until it is told to stop; what is under way is finished.
    pub async fn live(mut self, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::SeqCst) {
            self.act().await;
        }
        self
    }

    async fn act(&mut self) {
        match self.chance.below(20) {
            0 => self.register().await,
            _ if self.clients.is_empty() => self.register().await,
            1..=3 if self.grants.len() + self.codes.len() < MOST_GRANTS => self.sign_in().await,
            4..=5 => self.redeem_one().await,
            6..=14 => self.refresh_one().await,
            15..=16 => self.call_one().await,
            17 => self.end_one().await,
            18 => self.look_at_an_ended_one().await,
            _ => {}
        }
    }

    /// Everything that was told once more, after the last kill. The number of grants that must be there,
    /// and no other.
    pub async fn settle(mut self) -> usize {
        while let Some(code) = self.codes.pop() {
            self.redeem(code).await;
        }
        for index in 0..self.grants.len() {
            self.refresh(index).await;
            assert_eq!(self.call(&self.grants[index].access).await, StatusCode::OK);
        }
        for grant in &self.ended {
            self.demand_ended(grant).await;
        }
        for client in &self.clients {
            let reply = self.authorize(client, &random_text::<32>()).await.reply;
            assert!(self.leads_to_the_provider(&reply), "a client is lost: {reply:?}");
        }
        self.grants.len()
    }

    /// The same public client each time, whatever was killed in between; or a confidential one.
    async fn register(&mut self) {
        let method = if self.chance.one_in(2) { "none" } else { "client_secret_post" };
        let metadata = json!({
            "client_name": self.name,
            "redirect_uris": [REDIRECT_URI],
            "token_endpoint_auth_method": method,
        });
        let registered = insist(|| self.http.post(self.url("/register")).json(&metadata)).await;
        self.count_lost(&registered, "registrations whose answer was lost");
        assert_eq!(registered.reply.status, StatusCode::CREATED, "{registered:?}");
        let answer = registered.reply.json();
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        let client = Client { id: text("client_id").unwrap(), secret: text("client_secret") };
        self.tally.count("registrations");
        let known = self.clients.iter().find(|known| known.secret.is_none() == client.secret.is_none());
        match known {
            Some(known) if client.secret.is_none() => assert_eq!(known.id, client.id, "another identifier"),
            Some(_) if self.clients.len() >= 4 => {}
            _ => self.clients.push(client),
        }
    }

    /// As far as a code. A sign-in in the middle of which something is lost is begun again some time.
    async fn sign_in(&mut self) {
        let client = self.clients[self.chance.below(self.clients.len())].clone();
        let verifier = random_text::<32>();
        let begun = self.authorize(&client, &verifier).await.reply;
        if !self.leads_to_the_provider(&begun) {
            // Its metadata was not fetched yet: the process has only just started.
            assert_eq!(begun.status, StatusCode::BAD_GATEWAY, "a client is lost: {begun:?}");
            return;
        }
        let provider = self.place.provider_at(self.mount);
        let form = provider.sign_in_form(&begun.location().unwrap(), "ada");
        let back = ask(self.http.post(form.action).form(&form.fields)).await.unwrap().location().unwrap();
        let Ok(answer) = ask(self.http.get(back).header("cookie", begun.cookies())).await else {
            self.tally.count("sign-ins that a kill cut");
            return;
        };
        let told = answer.location();
        let Some(code) = told.as_ref().and_then(|url| parameter(url, "code")) else {
            // Not the client's business: the person sees a page that says to begin again.
            assert!(answer.status.is_server_error(), "{answer:?}");
            self.tally.count("sign-ins that ended with a page");
            return;
        };
        self.tally.count("codes told");
        self.codes.push(Code { client, text: code, verifier });
    }

    async fn authorize(&self, client: &Client, verifier: &str) -> Insisted {
        let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
        let resource = self.url("/mcp");
        let query = [
            ("response_type", "code"),
            ("client_id", &client.id),
            ("redirect_uri", REDIRECT_URI),
            ("state", "s"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", &resource),
        ];
        insist(|| self.http.get(self.url("/authorize")).query(&query)).await
    }

    fn leads_to_the_provider(&self, reply: &Reply) -> bool {
        let issuer = self.place.provider_at(self.mount).issuer();
        reply.location().is_some_and(|url| url.as_str().starts_with(issuer))
    }

    async fn redeem_one(&mut self) {
        if !self.codes.is_empty() {
            let code = self.codes.swap_remove(self.chance.below(self.codes.len()));
            self.redeem(code).await;
        }
    }

    /// Once, or twice at the same time.
    async fn redeem(&mut self, code: Code) {
        let times = if self.chance.one_in(6) { 2 } else { 1 };
        let answers = join_all((0..times).map(|_| self.exchange(&code))).await;
        let lost: usize = answers.iter().map(|answer| answer.lost).sum();
        let (good, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.reply.status.is_success());
        assert!(good.len() <= 1, "a code was spent twice: {answers:?}");
        for answer in refused {
            demand_invalid_grant(&answer.reply);
        }
        if lost > 0 {
            let what = "redemptions whose answer was lost: not spent";
            self.tally.count(if good.is_empty() { "redemptions whose answer was lost: spent" } else { what });
        }
        let Some(good) = good.first() else {
            assert!(lost > 0, "a code that was told and never used is refused: {answers:?}");
            return;
        };
        self.tally.count("codes redeemed");
        let Tokens { access, refresh } = Tokens::read(&good.reply);
        let grant = Grant { code, access, refresh, oldest: None };
        if times > 1 || (lost > 0 && self.chance.one_in(2)) {
            // The second use, whether it came before or comes now, ends what the first one gave (S57).
            self.demand_spent(&grant).await;
            self.tally.count("codes used twice");
            self.now_ended(grant).await;
        } else {
            self.grants.push(grant);
        }
    }

    async fn exchange(&self, code: &Code) -> Insisted {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code.text),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", &code.verifier),
        ];
        self.token(&code.client, &form).await
    }

    async fn refresh_one(&mut self) {
        if !self.grants.is_empty() {
            let index = self.chance.below(self.grants.len());
            self.refresh(index).await;
        }
    }

    /// Once, or several times at the same time. Whatever was lost in between, everybody hears of the same
    /// successor: a family has one head.
    async fn refresh(&mut self, index: usize) {
        let times = [1, 1, 1, 3][self.chance.below(4)];
        let again = self.chance.one_in(3);
        let grant = &self.grants[index];
        let mut answers = join_all((0..times).map(|_| self.refreshed(grant, &grant.refresh))).await;
        if again {
            answers.push(self.refreshed(grant, &grant.refresh).await);
        }
        let lost = answers.iter().any(|answer| answer.lost > 0);
        let told: Vec<Tokens> = answers.iter().map(|answer| Tokens::read(&answer.reply)).collect();
        let next = told[0].clone();
        assert_ne!(next.refresh, grant.refresh, "it was not rotated");
        assert!(told.iter().all(|tokens| tokens.refresh == next.refresh), "a family with two heads: {answers:?}");
        self.tally.count("rotations");
        if lost {
            self.tally.count("rotations with an answer that was lost");
        }
        let grant = &mut self.grants[index];
        let replaced = std::mem::replace(&mut grant.refresh, next.refresh);
        grant.access = next.access;
        grant.oldest.get_or_insert((replaced, Instant::now()));
    }

    async fn refreshed(&self, grant: &Grant, token: &str) -> Insisted {
        self.token(&grant.code.client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn call_one(&mut self) {
        if !self.grants.is_empty() {
            let grant = &self.grants[self.chance.below(self.grants.len())];
            assert_eq!(self.call(&grant.access).await, StatusCode::OK, "an access token is lost");
            self.tally.count("calls");
        }
    }

    async fn call(&self, token: &str) -> StatusCode {
        insist(|| self.http.get(self.url("/mcp")).bearer_auth(token)).await.reply.status
    }

    /// In one of three ways; then it stays ended.
    async fn end_one(&mut self) {
        if self.grants.is_empty() {
            return;
        }
        let grant = self.grants.swap_remove(self.chance.below(self.grants.len()));
        let late = grant.oldest.as_ref().filter(|(_, replaced)| replaced.elapsed() > GRACE);
        match (self.chance.below(3), late) {
            (0 | 1, Some((oldest, _))) => {
                demand_invalid_grant(&self.refreshed(&grant, oldest).await.reply);
                self.tally.count("families ended by a late replay");
            }
            (0, _) => {
                self.demand_spent(&grant).await;
                self.tally.count("grants ended by a second use of their code");
            }
            _ => {
                let token = if self.chance.one_in(2) { &grant.refresh } else { &grant.access };
                let form = authenticated(&grant.code.client, &[("token", token)]);
                let answer = insist(|| self.http.post(self.url("/revoke")).form(&form)).await;
                self.count_lost(&answer, "revocations whose answer was lost");
                assert_eq!(answer.reply.status, StatusCode::OK, "{answer:?}");
                self.tally.count("grants revoked");
            }
        }
        self.now_ended(grant).await;
    }

    async fn now_ended(&mut self, grant: Grant) {
        self.demand_ended(&grant).await;
        if self.ended.len() == MOST_ENDED {
            self.ended.remove(0);
        }
        self.ended.push(grant);
    }

    async fn look_at_an_ended_one(&mut self) {
        if !self.ended.is_empty() {
            let grant = &self.ended[self.chance.below(self.ended.len())];
            self.demand_ended(grant).await;
            self.tally.count("ended grants looked at again");
        }
    }

    /// Nothing brings it back, and none of its tokens is good.
    async fn demand_ended(&self, grant: &Grant) {
        self.demand_spent(grant).await;
        demand_invalid_grant(&self.refreshed(grant, &grant.refresh).await.reply);
        assert_eq!(self.call(&grant.access).await, StatusCode::UNAUTHORIZED, "it came back");
    }

    async fn demand_spent(&self, grant: &Grant) {
        demand_invalid_grant(&self.exchange(&grant.code).await.reply);
    }

    async fn token(&self, client: &Client, form: &[(&str, &str)]) -> Insisted {
        let form = authenticated(client, form);
        insist(|| self.http.post(self.url("/token")).form(&form)).await
    }

    fn count_lost(&self, answer: &Insisted, what: &'static str) {
        if answer.lost > 0 {
            self.tally.count(what);
        }
    }

    fn url(&self, path: &str) -> String {
        self.place.url(&format!("{}{path}", self.mount))
    }
}

// === impl Tokens ===

impl Tokens {
    fn read(reply: &Reply) -> Self {
        assert_eq!(reply.status, StatusCode::OK, "a grant is lost: {reply:?}");
        let answer = reply.json();
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {reply:?}")).to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

fn authenticated(client: &Client, form: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = [("client_id", Some(client.id.as_str())), ("client_secret", client.secret.as_deref())];
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    own.chain(form.iter().copied()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn demand_invalid_grant(reply: &Reply) {
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{reply:?}");
    assert_eq!(reply.json()["error"], Value::from("invalid_grant"), "{reply:?}");
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
