"""Made-up keys in the formats that their issuers publish, in the places where keys leak, and what only looks like one.

A format is text with pieces ``<alphabet:length>``. Those in ``PREFIXED`` tell what they are by themselves; those in ``NAMED``
only by the name that they are assigned to, written first. Every value is generated: none was ever issued.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
from collections import Counter
from collections.abc import Iterator

from guardrails.guards.secrets import find_secrets

ALPHABETS = {
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "an": string.ascii_letters + string.digits,
    "lower": string.ascii_lowercase + string.digits,
    "upper": string.ascii_uppercase + string.digits,
    "b32": string.ascii_uppercase + "234567",
    "url": string.ascii_letters + string.digits + "_-",
    "b64": string.ascii_letters + string.digits + "+/",
    "num": string.digits,
    "az": string.ascii_lowercase,
}
UUID = "<hex:8>-<hex:4>-4<hex:3>-a<hex:3>-<hex:12>"
PREFIXED = {
    "aws_access": "AKIA<b32:16>", "aws_session": "ASIA<b32:16>", "bedrock": "ABSK<b64:128>", "gcp_api": "AIza<url:35>", "gcp_oauth": "GOCSPX-<url:28>",
    "gcp_token": "ya29.<url:120>", "azure_client": "<an:3>8Q~<an:34>", "azure_storage": "DefaultEndpointsProtocol=https;AccountName=store;AccountKey=<b64:86>==;EndpointSuffix=core.windows.net",
    "azure_bus": "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=all;SharedAccessKey=<b64:43>=", "alibaba": "LTAI<an:20>", "github_pat": "ghp_<an:36>",
    "github_oauth": "gho_<an:36>", "github_app": "ghs_<an:36>", "github_fine": "github_pat_<an:22>_<an:59>", "gitlab_pat": "glpat-<url:20>", "gitlab_routable": "glpat-<url:27>.<lower:2>.<lower:7><lower:2>",
    "gitlab_deploy": "gldt-<url:20>", "gitlab_runner": "glrt-<url:20>", "gitlab_trigger": "glptt-<hex:40>", "gitlab_feed": "glft-<url:20>", "slack_bot": "xoxb-<num:12>-<num:12>-<an:24>", "slack_user": "xoxp-<num:12>-<num:12>-<num:12>-<hex:32>",
    "slack_app": "xapp-1-A<upper:10>-<num:13>-<hex:64>", "slack_hook": "https://hooks.slack.com/services/T<upper:8>/B<upper:10>/<an:24>", "stripe_secret": "sk_live_<an:24>", "stripe_restricted": "rk_live_<an:24>", "stripe_hook": "whsec_<an:32>",
    "twilio_key": "SK<hex:32>", "sendgrid": "SG.<url:22>.<url:43>", "mailgun_private": "key-<hex:32>", "mailgun_new": "<hex:32>-<hex:8>-<hex:8>", "mailchimp": "<hex:32>-us19", "brevo": "xkeysib-<hex:64>-<an:16>", "npm": "npm_<an:36>", "pypi": "pypi-AgEIcHlwaS5vcmc<url:90>",
    "rubygems": "rubygems_<hex:48>", "crates": "cio<an:32>", "nuget": "oy2<lower:43>", "clojars": "CLOJARS_<lower:60>", "docker_pat": "dckr_pat_<url:27>", "docker_org": "dckr_oat_<url:32>", "shopify": "shpat_<hex:32>", "shopify_secret": "shpss_<hex:32>", "discord_bot": "MT<an:24>.<url:6>.<url:38>",
    "discord_hook": "https://discord.com/api/webhooks/<num:18>/<url:68>", "telegram": "<num:10>:AA<url:33>", "heroku_new": "HRKU-AA<url:58>", "digitalocean": "dop_v1_<hex:64>", "do_oauth": "doo_v1_<hex:64>", "databricks": "dapi<hex:32>", "atlassian": "ATATT3xFfGF0<url:172>=<HEX:8>", "bitbucket_app": "ATBB<an:32>",
    "linear": "lin_api_<an:40>", "notion": "ntn_<num:11><an:35>", "notion_old": "secret_<an:43>", "grafana_service": "glsa_<an:32>_<hex:8>", "grafana_cloud": "glc_<b64:60>", "sentry_user": "sntryu_<hex:64>", "sentry_org": "sntrys_eyJpYXQiO<b64:90>_<b64:43>",
    "vault": "hvs.<url:90>", "vault_batch": "hvb.<url:140>", "terraform": "<an:14>.atlasv1.<url:67>", "age": "AGE-SECRET-KEY-1<upper:58>", "openai_project": "sk-proj-<url:74>T3BlbkFJ<url:74>", "openai_old": "sk-<an:20>T3BlbkFJ<an:20>", "anthropic": "sk-ant-api03-<url:93>AA", "huggingface": "hf_<an:34>", "groq": "gsk_<an:52>", "replicate": "r8_<an:37>",
    "perplexity": "pplx-<an:48>", "xai": "xai-<an:80>", "openrouter": "sk-or-v1-<hex:64>", "deepseek": "sk-<hex:32>", "langsmith": "lsv2_pt_<hex:32>_<hex:10>", "wandb_new": "wandb_v1_<url:60>", "facebook": "EAA<an:120>", "square": "sq0atp-<url:22>", "square_secret": "sq0csp-<url:43>", "square_token": "EAAA<url:60>", "plaid": "access-production-" + UUID,
    "flutterwave": "FLWSECK_TEST-<hex:12>", "easypost": "EZAK<an:54>", "shippo": "shippo_live_<hex:40>", "duffel": "duffel_live_<url:43>", "gocardless": "live_<url:40>", "lob": "live_<hex:35>", "airtable_pat": "pat<an:14>.<hex:64>", "asana": "1/<num:16>:<hex:32>", "contentful": "CFPAT-<url:43>", "hubspot": "pat-na1-" + UUID, "figma": "figd_<url:40>",
    "postman": "PMAK-<hex:24>-<hex:34>", "newrelic_user": "NRAK-<upper:27>", "newrelic_browser": "NRJS-<hex:19>", "dynatrace": "dt0c01.<upper:24>.<upper:64>", "sonar": "squ_<hex:40>", "doppler": "dp.pt.<an:43>", "pulumi": "pul-<hex:40>", "prefect": "pnu_<an:36>", "planetscale": "pscale_tkn_<url:43>", "supabase": "sbp_<hex:40>", "supabase_secret": "sb_secret_<url:31>", "netlify": "nfp_<an:36>",
    "fly": "fo1_<url:43>", "tailscale": "tskey-auth-<an:17>-<an:32>", "posthog": "phx_<an:43>", "readme": "rdme_<lower:70>", "typeform": "tfp_<url:59>", "infracost": "ico-<an:32>", "scalingo": "tk-us-<url:48>", "settlemint": "sm_pat_<an:16>", "sourcegraph": "sgp_<hex:16>_<hex:40>", "harness": "pat.<url:22>.<hex:24>.<an:20>", "frameio": "fio-u-<url:64>", "adobe": "p8e-<lower:32>",
    "artifactory": "AKCp<an:69>", "octopus": "API-<upper:26>", "openshift": "sha256~<url:43>", "mapbox": "sk.<an:60>.<an:22>", "maxmind": "<an:6>_<an:29>_mmk", "buildkite": "bkua_<hex:40>", "circleci": "CCIPAT_<an:22>_<hex:40>", "onepassword": "ops_eyJ<b64:260>", "twitter": "AAAAAAAAAAAAAAAAAAAAA<an:80>", "sidekiq": "https://<hex:8>:<hex:8>@gems.contribsys.com/",
    "clickhouse": "4b1d<an:38>", "cloudflare_ca": "v1.0-<hex:24>-<hex:146>", "cloudflare_new": "cfut_<an:40><hex:8>", "looker_pem": "-----BEGIN RSA PRIVATE KEY-----\n<b64:64>\n<b64:64>\n-----END RSA PRIVATE KEY-----", "pem": "-----BEGIN PRIVATE KEY-----\n<b64:64>\n<b64:40>==\n-----END PRIVATE KEY-----", "openssh": "-----BEGIN OPENSSH PRIVATE KEY-----\n<b64:70>\n<b64:70>\n-----END OPENSSH PRIVATE KEY-----",
    "pgp": "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n<b64:64>\n<b64:64>\n-----END PGP PRIVATE KEY BLOCK-----", "snyk_new": "snyk_uat.<hex:8>.<url:40>.<url:30>", "resend": "re_<an:8>_<an:24>", "clerk": "sk_live_<an:40>", "vercel": "vcp_<an:56>", "neon": "napi_<lower:64>", "pinecone": "pcsk_<an:6>_<an:63>", "elevenlabs": "sk_<hex:48>", "together": "tgp_v1_<url:43>",
    "nvidia": "nvapi-<url:64>", "cerebras": "csk-<lower:48>", "fireworks": "fw_<an:24>", "tavily": "tvly-dev-<an:32>", "apify": "apify_api_<an:36>", "browserbase": "bb_live_<url:27>", "intercom": "dG9rO<b64:55>=", "razorpay": "rzp_live_<an:14>", "paystack": "sk_live_<hex:40>", "mercury": "secret-token:mercury_production_rma_<an:44>_yrucrem",
    "slack_config": "xoxe.xoxp-1-<an:160>", "teams": "https://corp.webhook.office.com/webhookb2/" + UUID + "@" + UUID + "/IncomingWebhook/<hex:32>/" + UUID, "zapier": "https://hooks.zapier.com/hooks/catch/<num:7>/<lower:7>/", "make": "https://hook.eu1.make.com/<lower:32>", "dropbox": "sl.<url:140>", "expo": "expo_<an:40>", "launchdarkly_sdk": "sdk-" + UUID, "launchdarkly_api": "api-" + UUID, "render": "rnd_<an:28>",
    "upstash": "https://default:<an:40>@eu1-cat-12345.upstash.io", "redis": "redis://default:<an:32>@cache.internal:6379/0", "postgres": "postgresql://app:<an:20>@db.internal:5432/prod", "mongodb": "mongodb+srv://app:<an:18>@cluster0.ab1cd.mongodb.net/prod", "amqp": "amqps://svc:<an:24>@mq.internal/vhost", "smtp": "smtp://mailer:<an:16>@smtp.internal:587",
}  # fmt: skip
NAMED = {
    "ADAFRUIT_IO_KEY": "<lower:32>", "ALGOLIA_API_KEY": "<lower:32>", "ADOBE_CLIENT_SECRET": "<hex:32>", "ASANA_CLIENT_SECRET": "<lower:32>", "BEAMER_API_TOKEN": "b_<lower:44>", "BITBUCKET_CLIENT_SECRET": "<url:64>", "BITTREX_SECRET_KEY": "<lower:32>", "CODECOV_TOKEN": UUID,
    "COINBASE_ACCESS_TOKEN": "<url:64>", "CONFLUENT_SECRET_KEY": "<an:64>", "DATADOG_API_KEY": "<hex:32>", "DD_APP_KEY": "<hex:40>", "DISCORD_CLIENT_SECRET": "<url:32>", "DRONECI_ACCESS_TOKEN": "<lower:32>", "ETSY_ACCESS_TOKEN": "<lower:24>", "FASTLY_API_TOKEN": "<url:32>", "FINNHUB_API_TOKEN": "<lower:20>",
    "FLICKR_API_KEY": "<hex:32>", "FRESHBOOKS_CLIENT_SECRET": "<hex:64>", "GITTER_ACCESS_TOKEN": "<lower:40>", "HEROKU_API_KEY": UUID, "HUBSPOT_API_KEY": UUID, "JFROG_API_KEY": "<an:73>", "KRAKEN_SECRET": "<b64:86>==", "KUCOIN_SECRET_KEY": UUID, "LAUNCHDARKLY_ACCESS_TOKEN": "<url:40>", "LINKEDIN_CLIENT_SECRET": "<an:16>",
    "MAILCHIMP_API_KEY": "<hex:32>-us12", "MATTERMOST_ACCESS_TOKEN": "<lower:26>", "MESSAGEBIRD_API_TOKEN": "<lower:25>", "NETLIFY_ACCESS_TOKEN": "<url:43>", "NYTIMES_ACCESS_TOKEN": "<an:32>", "OKTA_API_TOKEN": "00<url:40>", "PLAID_SECRET": "<hex:30>", "RAPIDAPI_ACCESS_TOKEN": "<url:50>", "SENDBIRD_ACCESS_TOKEN": "<hex:40>",
    "SENTRY_AUTH_TOKEN": "<hex:64>", "SNYK_TOKEN": UUID, "SQUARESPACE_ACCESS_TOKEN": UUID, "SUMOLOGIC_ACCESS_KEY": "<an:64>", "TRAVISCI_TOKEN": "<an:22>", "TRELLO_API_KEY": "<hex:32>", "TWILIO_AUTH_TOKEN": "<hex:32>", "TWITCH_CLIENT_SECRET": "<lower:30>", "TWITTER_API_SECRET": "<an:50>", "ZENDESK_SECRET_KEY": "<lower:40>",
    "AWS_SECRET_ACCESS_KEY": "<b64:40>", "AZURE_OPENAI_API_KEY": "<hex:32>", "MISTRAL_API_KEY": "<an:32>", "COHERE_API_KEY": "<an:40>", "DEEPGRAM_API_KEY": "<hex:40>", "CLOUDFLARE_API_TOKEN": "<url:40>", "PAGERDUTY_API_KEY": "<url:20>", "secret_key": "<url:50>", "api_key": "<an:32>", "accessToken": "<url:40>", "client_secret": "<url:36>",
    "DJANGO_SECRET_KEY": "<url:50>", "JWT_SECRET": "<b64:43>=", "SESSION_SECRET": "<hex:64>", "ENCRYPTION_KEY": "<b64:43>=", "DB_PASSWORD": "<an:8>!<an:6>", "password": "Aq7<az:5>#<num:3>", "webhook_secret": "<an:40>", "private_token": "<url:20>", "signing_key": "<hex:64>", "SPLUNK_HEC_TOKEN": UUID, "consumerSecret": "<an:44>",
}  # fmt: skip
PLACES = (
    '{name} = "{value}"', "{name}={value}", "export {name}='{value}'", "{name}: {value}", '"{name}": "{value}",', '  {name}: "{value}"', "const {name} = '{value}';", '{name} := "{value}"', "<{name}>{value}</{name}>", "os.environ['{name}'] = '{value}'", "--set {name}={value}", "{name} => '{value}'",
)  # fmt: skip
SENTENCES = (
    "the key is {value}", "use {value} for now", "2026-01-02T10:00:00Z INFO connecting with {value}", "curl -H 'X-Key: {value}' https://api.example.net", '{{"k": "{value}"}}', "- {value}", "# {value}", "`{value}`", "({value})", "token={value}&x=1",
)  # fmt: skip


LINES = (
    "openssl enc -aes-256-cbc -pass pass:<an:18>",
    "machine api.example.net login me password <an:20>",
    "//registry.npmjs.org/:_authToken=<hex:8>-<hex:4>-<hex:4>-<hex:4>-<hex:12>",
    "docker login -u me -p <an:20>7x",
    "mysql -u root -p<an:18> db",
    "sshpass -p '<an:14>9!' ssh me@host",
    "PGPASSWORD=<an:16>4 psql -h db",
    "wget --http-password=<an:16>3 https://x.example",
    "az login --service-principal -p <an:3>8Q~<an:34>",
    "Cookie: session_token=<hex:64>",
    '"AccessKeySecret": "<an:30>"',
    "spring.datasource.password=<an:16>5",
    "ConnectionStrings: Server=db;User Id=sa;Password=<an:8>#9Kq;",
    "jdbc:postgresql://db/prod?user=app&password=<an:18>2",
    'Auth: {"username": "x", "password": "Zq4<az:6>$<num:2>"}',
    "x-amz-security-token: <b64:200>",
    "token = ghp_<an:36>",
    "NPM_TOKEN=npm_<an:36>",
    "vault write secret/app api_key=<an:32>",
    "helm install x --set auth.token=<an:32>",
    '"refresh_token": "1//0<url:60>"',
    'setPassword("Tr0<az:6>!<num:3>")',
    'api.key = "<an:40>"',
    "API-KEY: <an:32>",
    'bot_token := "<num:10>:AA<url:33>"',
    "Ocp-Apim-Subscription-Key: <hex:32>",
    "PRIVATE-TOKEN: <url:20>",
    "x-goog-api-key: AIza<url:35>",
    'oauth_token_secret="<an:42>"',
)
"""Lines of configuration and commands, each with a secret in it."""


def drawn(rng: random.Random, form: str) -> str:
    """A value of a format."""
    return re.sub(r"<(\w+):(\d+)>", lambda piece: "".join(rng.choices(ALPHABETS[piece[1]], k=int(piece[2]))), form)


def jwt(rng: random.Random) -> str:
    def part(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    head, body = '{"alg":"HS256","typ":"JWT"}', json.dumps({"sub": drawn(rng, "<num:10>")})
    return ".".join((part(head), part(body), drawn(rng, "<url:43>")))


def positives(seed: int, each: int = 6) -> Iterator[tuple[str, str, str]]:
    """Kind, a text that leaks a secret of it, and the secret."""
    rng = random.Random(seed)
    for kind, form in PREFIXED.items():
        for _ in range(each):
            value = drawn(rng, form)
            yield kind, rng.choice(SENTENCES).format(value=value), value
    for name, form in NAMED.items():
        for place in rng.sample(PLACES, each):
            value = drawn(rng, form)
            yield name, place.format(name=name, value=value), value
    for _ in range(each):
        value = jwt(rng)
        yield "jwt", rng.choice(SENTENCES).format(value=value), value
        value = drawn(rng, "<an:12>")
        yield "curl_user", f"curl -s -u admin:{value} https://api.example.net/v1", value
        value = base64.b64encode(drawn(rng, "app:<an:16>").encode()).decode()
        yield "basic", f"Authorization: Basic {value}", value
        value = drawn(rng, "<url:40>")
        yield "bearer", f"curl -H 'Authorization: Bearer {value}' https://api.example.net", value
        value = drawn(rng, "<hex:32>")
        yield "header", f"X-Api-Key: {value}", value


LOOKALIKES = (
    UUID, "request_id=" + UUID, "sha256:<hex:64>", "commit <hex:40>", "git checkout <hex:7>", 'ETag: "<hex:32>"', "integrity sha512-<b64:86>==", '"integrity": "sha512-<b64:86>==",', '"resolved": "https://registry.example/a/-/a-<num:1>.<num:1>.<num:2>.tgz#<hex:40>"', "--hash=sha256:<hex:64>",
    '<img src="data:image/png;base64,iVBORw0KGgo<b64:200>">', "url(data:font/woff2;base64,d09GMgABAAAA<b64:160>)", "!function(e,t){{var n=e.<az:3>,r=t[<num:2>];return <az:1>(n,r)}}", "API_KEY=YOUR_API_KEY", "api_key: <your-api-key>", 'token = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"', 'password = "changeme"',
    "password: ${{DB_PASSWORD}}", "export TOKEN=$GITHUB_TOKEN", 'api_key = os.getenv("OPENAI_API_KEY")', "const apiKey = process.env.API_KEY_PROD;", "secret: {{{{ vault_secret_1 }}}}", "token: ${{{{ secrets.GITHUB_TOKEN }}}}", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 'secret_key_base: <%= ENV["SECRET_KEY_BASE"] %>',
    "Authorization: Bearer <token>", "Authorization: Bearer $TOKEN", "curl -u $USER:$PASS https://api.example.net", "curl -u username:password https://api.example.net", "postgres://user:password@localhost:5432/db", "mysql://root:${{PW}}@db/prod", "password_hash = hash_password(password)", "self.token_count = count_tokens(text)", "access_token_expires_in: 3600", "max_tokens=4096",
    'keyboard_layout: "us-intl-2024-v2"', "primary_key=customer_order_line_id", "foreign_key: orders_2024_customer_id", 'public_key_id = "key-eu-central-1-2024"', "token_endpoint: https://login.example.net/oauth2/v1/token", "secretName: my-app-tls-secret", "key: app.kubernetes.io/name", 'cache_key = f"user:{{user_id}}:v2"', "partition_key=2026-01-02T10:00:00Z", "idempotency_key: " + UUID,
    "ssh-rsa AAAAB3NzaC1yc2E<b64:180> me@host", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5<b64:44> me@host", "-----BEGIN PUBLIC KEY-----\n<b64:64>\n-----END PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----\n<b64:64>\n<b64:64>\n-----END CERTIFICATE-----", "fingerprint SHA256:<b64:43>", "trace_id=<hex:32> span_id=<hex:16>", "docker pull app@sha256:<hex:64>", "md5 = <hex:32>", "s3://bucket/<hex:32>/part-<num:5>.parquet", "/var/lib/docker/overlay2/<hex:64>/merged",
    "https://example.net/p/<url:22>?page=<num:2>", "order <upper:12>", "invoice INV-<num:4>-<num:6>", "IBAN DE89370400440532013000", "serial: <upper:16>", "color: #<hex:6>; background: #<hex:6>", "id: <num:18>", "user_id=<hex:24>", '_id: ObjectId("<hex:24>")', "arn:aws:iam::<num:12>:role/app-deploy-2024", "phc_public=0", "pk_test_is_public_by_design", "sk-learn-pipelines-are-easy-to-use", "xoxb-your-token-here",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "sk_test_...", "npm_config_registry=https://registry.example", "hf_hub_download(repo_id, filename)", "pat.match(text).group(1)", "glpat-<redacted>", "password must have 8 characters, 1 digit", "The password is stored in the vault.", "csrf_token: {{{{ csrf_token() }}}}", 'nonce="<b64:22>=="', "page_token=<an:0>next", 'next_cursor: "<b64:40>"', '"version_hash": "<hex:40>"', 'checksum = "<hex:64>"', "cargo checksum <hex:64>",
)  # fmt: skip


MORE_LOOKALIKES = (
    "client_vpn_endpoint_id = aws_ec2_client_vpn_endpoint.client-vpn-endpoint.id",
    "LLM_API_KEY=$llm_api_key_v2",
    "issuerKeyHash=<HEX:40>",
    'public_key = "<an:43>"',
    "pub const X509_pubkey_st = struct_X509_pubkey_st;",
    'monkey = "<hex:32>"',
    'keyword: "Befaehigung_P2_2024_final"',
    "secretRef: my-secret-ref-v2-prod-01",
    "AUTH_TOKEN_URL=https://login.example.net/v2/oauth/token",
    "credentials: 'include'",
    'key = "mypackage.my_module.func_v2"',
    "password: !vault |",
    'getSecret("prod/db/main-v2")',
    'author = "Jane Smith 2024abc"',
    'tokenSymbol: "USDC2024"',
    'bucketKey: "lambda/build-<num:8>.zip"',
    "<Key>photos/2024/img_<num:4>.jpg</Key>",
    '"keyId": "<hex:8>"',
    'kid: "<hex:40>"',
    '"key": "accounts.user.login.v2.title"',
    'sort_key: "2024-01-02#ORDER#<num:6>"',
    'data-key="row-<num:6>-cell-<num:2>"',
    "react key={`item-${id}`}",
    'i18nKey="checkout.step2.title"',
    'translation_key: "btn_save_v2"',
    'token_type = "bearer"',
    '"token_hash": "<hex:64>"',
    'tokenizer = AutoTokenizer.from_pretrained("bert-base-uncased-v2")',
    "auth_mode = oauth2-client-credentials-v2",
    "authority: https://login.microsoftonline.com/<hex:8>-<hex:4>-<hex:4>-<hex:4>-<hex:12>",
    "session_id_length = 32",
    'license_key_format = "XXXX-XXXX-XXXX-XXXX"',
    "CF_ACCOUNT_ID=<hex:32>",
    'tenant_id = "<hex:8>-<hex:4>-<hex:4>-<hex:4>-<hex:12>"',
    "AZURE_CLIENT_ID=<hex:8>-<hex:4>-<hex:4>-<hex:4>-<hex:12>",
    "GOOGLE_CLIENT_ID=<num:12>-<lower:32>.apps.googleusercontent.com",
    "aws_account_id = <num:12>",
    "sentry_dsn_public_host = o<num:6>.ingest.example",
    "VITE_STRIPE_PUBLISHABLE_KEY=pk_live_<an:24>",
    'mapbox_style = "mapbox://styles/me/ck<lower:24>"',
    'recaptcha_site_key = "6Le<url:37>"',
    'password_reset_token_valid_for = "24h30m"',
    "passwordPolicy: minLength8Upper1Digit1",
    'PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]',
    "$2b$12$<an:53>",
    "pass_rate = 0.98213",
    'passport_number_field = "doc_no_2"',
    'compass_direction = "N45E2024"',
    'password = input("Password: ")',
    "password=args.password2",
    "\"password\": \"{{ lookup('env', 'DB_PASS2') }}\"",
    'secret = base64.b64decode(request.form["s3"])',
    'secret_santa_2024 = "names drawn"',
    "The secret was rotated on 2024-05-06.",
    "client_secret=REPLACE_ME_WITH_SECRET_1",
    'token: "insert-token-here-123"',
    'api_key="test_key_123456789"',
    'apikey: "0000000000000000000000000000"',
    'API_TOKEN="abcdefghijklmnopqrstuvwxyz123456"',
    'api_key = "1234567890abcdef1234567890abcdef"',
    "SECRET_KEY = 'django-insecure-change-me-please-1'",
    "encryption_key_name: projects/p/locations/eu/keyRings/r1/cryptoKeys/k1",
    'kms_key_id = "arn:aws:kms:eu-west-1:<num:12>:key/<hex:8>-<hex:4>-<hex:4>-<hex:4>-<hex:12>"',
    "ssh_key_path=/home/me/.ssh/id_ed25519_2024",
    'private_key_file: "certs/server-2024.key.pem"',
    'signing_key_id: "<HEX:16>"',
    "gpg --recv-keys <HEX:40>",
    "key fingerprint = <HEX:4> <HEX:4> <HEX:4> <HEX:4>",
    'deploy_key_title: "ci-runner-2024-03"',
    "public_token: link-sandbox-<hex:8>",
    'nextToken = response["NextToken"]',
    "continuation_token: <b64:60>",
    "X-CSRF-Token: <an:32>",
    "Set-Cookie: locale=en; Path=/",
    "xsrf_token=<hex:32>",
    'anchor = "key-concepts-in-v2-of-the-api"',
    "#access-token-v2-endpoint",
    "see https://docs.example.net/api-keys/v2-rotate-keys-2024",
    '"authToken": process.env.NPM_TOKEN_2',
    "//registry.npmjs.org/:_authToken=${NPM_TOKEN}",
    "machine api.example.net login me password ${PASS}",
    "docker login -u me --password-stdin",
    'mysql -u root -p"$MYSQL_PWD" db',
    'curl -u "$USER:$TOKEN" https://x.example',
    "redis://localhost:6379/0",
    "postgres://postgres:postgres@localhost/test",
    "amqp://guest:guest@localhost//",
    "http://user:pass@proxy.example:8080",
    "ghp_EXAMPLE1234567890EXAMPLE1234567890ab",
    "sk-your-api-key-goes-here-please",
    "xoxb-123456789012-abcdefghijkl",
    "AIzaSyXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    "-----BEGIN RSA PRIVATE KEY-----\nYOUR KEY HERE\n-----END RSA PRIVATE KEY-----",
    "eyJhbGciOi...",
    "base64: <b64:64>",
    "blob <b64:120>",
    '"hash": "<b64:43>="',
    "v<num:1>.<num:2>.<num:1>-rc.<num:1>+<hex:7>",
    'uuid5(NAMESPACE, "key") -> <hex:8>-<hex:4>-<hex:4>-<hex:4>-<hex:12>',
    "webpack:///./src/index.js?<hex:4>",
    "chunk-<hex:8>.js main.<hex:20>.css",
    '"yarnHash": "<hex:128>"',
    "0x<hex:40>",
    "tx 0x<hex:64>",
    "bc1q<lower:38>",
    "QmX<an:43>",
    "sm_config_path_v2_default",
    "re_compile_pattern_2024_v1",
    "live_reload_port_35729",
    "pat_match_v2",
    "fw_update_2024_v3_final_build",
    "rnd_seed_value_20240101_default_v2",
)
"""Names, identifiers, placeholders and public keys, written after the rules for those above."""


def negatives(seed: int, each: int = 6) -> Iterator[str]:
    """Texts that hold no secret; none is named like one either, but placeholders."""
    rng = random.Random(seed)
    for form in (*LOOKALIKES, *MORE_LOOKALIKES):
        for _ in range(each):
            text = drawn(rng, form)
            yield text.replace("{{", "{").replace("}}", "}") if form in LOOKALIKES else text


def shares(seed: int, each: int = 6) -> tuple[float, float, Counter[str], Counter[str]]:
    """Share of secrets found (nine tenths of the value, of ``LINES`` anything), share of harmless texts hit, and what was wrong."""
    missed, hit, total, harmless = Counter[str](), Counter[str](), 0, 0
    for kind, text, value in positives(seed, each):
        total += 1
        secret = (
            value.partition("://")[2].partition("@")[0].partition(":")[2]
            if re.match(r"\w+(?:\+srv)?://\w*:", value)
            else value
        )
        start = text.index(secret)
        covered = {at for found in find_secrets(text) for at in range(found.start, found.end)}
        inside = sum(at in covered for at in range(start, start + len(secret)))
        missed[kind] += not (inside >= 0.9 * len(secret) or (inside >= 16 and kind.startswith(("azure_", "sidekiq"))))
    rng = random.Random(seed)
    for form in LINES:
        for _ in range(each):
            total += 1
            missed[form] += not find_secrets(drawn(rng, form))
    for text in negatives(seed, each):
        harmless += 1
        if find_secrets(text):
            hit[text[:70]] += 1
    return 1 - missed.total() / total, hit.total() / harmless, +missed, hit


def main() -> None:
    found, false, missed, hit = shares(random.Random().randrange(10**6))
    print(
        f"{len(PREFIXED) + len(NAMED) + len(LINES) + 5} kinds: {found:.3f} of examples found, {false:.3f} of {len(LOOKALIKES) + len(MORE_LOOKALIKES)} kinds of negatives hit"
    )
    print("missed:", dict(missed.most_common()))
    print("hit:", dict(hit.most_common(40)))


if __name__ == "__main__":
    main()
