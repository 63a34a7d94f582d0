//! Endpoint, region and profile: a flag goes before the environment, the environment before the file.

use std::path::{Path, PathBuf};

use aws_config::{BehaviorVersion, Region};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use permafrost_client::{Client, Endpoint};
use permafrost_domain::{Code, Fault};
use serde::Deserialize;

use crate::args::Global;

/// The config file's bytes; a larger one is not read.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// What flags, environment and file say together.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    endpoint: Option<String>,
    region: Option<String>,
    profile: Option<String>,
}

impl Settings {
    /// Reads the environment and the file behind `flags`.
    ///
    /// # Errors
    /// `InvalidRequest` where the file exists and cannot be read.
    pub(crate) fn resolve(
        flags: &Global,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Fault> {
        let flags = Self {
            endpoint: flags.endpoint.clone(),
            region: flags.region.clone(),
            profile: flags.profile.clone(),
        };
        let file = config_path(environment).map(|path| read(&path)).transpose()?.unwrap_or_default();
        Ok(flags.or(Self::of_environment(environment)).or(file))
    }

    /// A client for the vault that these settings name.
    ///
    /// The region falls back on the endpoint's host name, then on the AWS profile's.
    ///
    /// # Errors
    /// `InvalidRequest` where no endpoint or no region is named anywhere, or the endpoint is none.
    pub(crate) async fn connect(self, environment: &dyn Fn(&str) -> Option<String>) -> Result<Client, Fault> {
        let endpoint = self.endpoint.ok_or_else(|| {
            let file = config_path(environment)
                .map_or_else(|| "the config file".to_owned(), |path| path.display().to_string());
            Fault::new(Code::InvalidRequest, "no endpoint is named").hint(format!(
                "Pass --endpoint URL, set PERMAFROST_ENDPOINT, or write endpoint = \"URL\" into {file}; \
                 the URL is the output ApiUrl of the stack."
            ))
        })?;
        let endpoint: Endpoint = endpoint.parse().map_err(permafrost_client::ClientError::Endpoint)?;
        let region = self.region.or_else(|| endpoint.region().map(str::to_owned));
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        if let Some(profile) = self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = region.clone() {
            loader = loader.region(Region::new(region));
        }
        let aws = loader.load().await;
        let region = region.or_else(|| aws.region().map(ToString::to_string)).ok_or_else(|| {
            Fault::new(Code::InvalidRequest, "no AWS region is named").hint(
                "Pass --region REGION, set AWS_REGION, or write region = \"REGION\" into the config file.",
            )
        })?;
        let credentials = aws.credentials_provider().ok_or_else(|| {
            Fault::new(Code::AccessDenied, "no AWS credentials are configured")
                .hint("Set AWS_PROFILE, or name a profile with `--profile`.")
        })?;
        Ok(Client::new(endpoint, &region, credentials)?)
    }

    fn of_environment(environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| {
            names.iter().find_map(|name| environment(name)).filter(|value| !value.trim().is_empty())
        };
        Self {
            endpoint: first(&["PERMAFROST_ENDPOINT"]),
            region: first(&["AWS_REGION"]).or_else(|| first(&["AWS_DEFAULT_REGION"])),
            profile: first(&["AWS_PROFILE"]),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            endpoint: self.endpoint.or(other.endpoint),
            region: self.region.or(other.region),
            profile: self.profile.or(other.profile),
        }
    }
}

/// `$XDG_CONFIG_HOME/permafrost/config.toml`, or below `~/.config`.
fn config_path(environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(base.join("permafrost/config.toml"))
}

/// The file's settings; none where there is no file.
fn read(path: &Path) -> Result<Settings, Fault> {
    let invalid = |detail: String| {
        Fault::new(Code::InvalidRequest, format!("the config file cannot be read: {detail}"))
            .on(format!("file {}", path.display()))
            .hint("Its keys are endpoint, region and profile, each a string.")
    };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Settings::default()),
        Err(error) => return Err(invalid(error.to_string())),
        Ok(metadata) if metadata.len() > MAX_FILE_BYTES => return Err(invalid("more than 64 KiB".into())),
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(|error| invalid(error.to_string()))?;
    toml::from_str(&text).map_err(|error| invalid(error.message().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Color, Output};

    fn flags(endpoint: Option<&str>, region: Option<&str>) -> Global {
        Global {
            endpoint: endpoint.map(Into::into),
            region: region.map(Into::into),
            profile: None,
            output: Output::Table,
            color: Color::Never,
        }
    }

    fn resolve(flags: &Global, variables: &[(&str, &str)]) -> Result<Settings, Fault> {
        Settings::resolve(flags, &|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn file(text: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("permafrost")).unwrap();
        std::fs::write(home.path().join("permafrost/config.toml"), text).unwrap();
        home
    }

    #[test]
    fn a_flag_goes_before_the_environment_and_that_before_the_file() {
        let home = file("endpoint = \"https://file\"\nregion = \"file\"\nprofile = \"file\"\n");
        let home = home.path().to_str().unwrap();
        let variables =
            [("XDG_CONFIG_HOME", home), ("PERMAFROST_ENDPOINT", "https://env"), ("AWS_REGION", "env")];
        let settings = resolve(&flags(Some("https://flag"), None), &variables).unwrap();
        assert_eq!(settings.endpoint.as_deref(), Some("https://flag"));
        assert_eq!(settings.region.as_deref(), Some("env"));
        assert_eq!(settings.profile.as_deref(), Some("file"));
    }

    #[test]
    fn an_empty_variable_says_nothing() {
        let variables = [("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-central-1"), ("AWS_PROFILE", " ")];
        let settings = resolve(&flags(None, None), &variables).unwrap();
        assert_eq!(settings.region.as_deref(), Some("eu-central-1"));
        assert_eq!(settings.profile, None);
    }

    #[test]
    fn the_file_stands_in_the_usual_places() {
        let path = |variables: &[(&str, &str)]| {
            config_path(&|name| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let expected = |text: &str| Some(PathBuf::from(text));
        assert_eq!(path(&[("HOME", "/home/ann")]), expected("/home/ann/.config/permafrost/config.toml"));
        assert_eq!(path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]), expected("/x/permafrost/config.toml"));
        // XDG: a relative path is invalid and is ignored.
        assert_eq!(path(&[("XDG_CONFIG_HOME", "x")]), None);
    }

    #[test]
    fn a_file_with_a_mistake_is_an_error_and_names_the_file() {
        let home = file("endpont = \"https://file\"\n");
        let fault =
            resolve(&flags(None, None), &[("XDG_CONFIG_HOME", home.path().to_str().unwrap())]).unwrap_err();
        assert_eq!(fault.code, Code::InvalidRequest);
        assert!(fault.message.contains("endpont"), "{fault}");
        assert!(fault.object.unwrap().ends_with("config.toml"));
    }

    #[tokio::test]
    async fn without_an_endpoint_it_is_said_where_to_write_one() {
        let variable = |name: &str| (name == "HOME").then(|| "/home/ann".to_owned());
        let fault = Settings::default().connect(&variable).await.unwrap_err();
        assert_eq!(fault.code, Code::InvalidRequest);
        assert!(fault.hint.contains("/home/ann/.config/permafrost/config.toml"), "{fault}");
    }
}
