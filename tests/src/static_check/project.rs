//! The files that the rules hold against each other: as text, so that tests can seed violations, and parsed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_yaml_ng::Value;

use super::APPLICATION;
use super::document::{at, parse, text, upper_camel_case};
use super::machine::Machine;

/// The files as they are written, each kind by file name.
#[derive(Debug, Clone)]
pub struct Sources {
    /// `iac/*.yaml`.
    pub templates: BTreeMap<String, String>,
    /// `statemachines/*.asl.yaml`.
    pub machines: BTreeMap<String, String>,
    /// `Cargo.toml` of every directory under `functions/`, by the directory's name.
    pub manifests: BTreeMap<String, String>,
}

/// The files, parsed.
#[derive(Debug)]
pub struct Project {
    /// The templates by file name.
    pub templates: BTreeMap<String, Template>,
    /// The state machines.
    pub machines: Vec<Machine>,
    /// The binary that each directory under `functions/` makes.
    pub binaries: BTreeMap<String, String>,
}

/// A CloudFormation template.
#[derive(Debug)]
pub struct Template {
    /// The file as it is written.
    pub source: String,
    /// Its document, with references as `${…}`.
    pub document: Value,
}

/// A file cannot be read or understood.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The file system refuses.
    #[error("cannot read {path}", path = path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no YAML.
    #[error("{name} is no YAML")]
    Yaml {
        /// The file's name.
        name: String,
        /// Why.
        source: serde_yaml_ng::Error,
    },
    /// A file that the rules are about is not there.
    #[error("{0} is missing")]
    Missing(String),
}

impl Sources {
    /// The files of the project that stands under `root`.
    ///
    /// # Errors
    /// [`Unreadable::File`] where one cannot be read.
    pub fn read(root: &Path) -> Result<Self, Unreadable> {
        let mut manifests = BTreeMap::new();
        for directory in entries(&root.join("functions"))? {
            let manifest = directory.join("Cargo.toml");
            if manifest.is_file() {
                manifests.insert(file_name(&directory), read(&manifest)?);
            }
        }
        Ok(Self {
            templates: files(&root.join("iac"), ".yaml")?,
            machines: files(&root.join("statemachines"), ".asl.yaml")?,
            manifests,
        })
    }

    /// The files, parsed.
    ///
    /// # Errors
    /// [`Unreadable::Yaml`] for a file that is none, [`Unreadable::Missing`] without the application's template.
    pub fn parse(&self) -> Result<Project, Unreadable> {
        let yaml = |name: &String, source: &String| {
            parse(source).map_err(|source| Unreadable::Yaml { name: name.clone(), source })
        };
        let mut templates = BTreeMap::new();
        for (name, source) in &self.templates {
            let document = yaml(name, source)?;
            templates.insert(name.clone(), Template { source: source.clone(), document });
        }
        if !templates.contains_key(APPLICATION) {
            return Err(Unreadable::Missing(APPLICATION.to_owned()));
        }
        let mut machines = Vec::new();
        for (name, source) in &self.machines {
            let definition = yaml(name, source)?;
            let stem = name.trim_end_matches(".asl.yaml").to_owned();
            machines.push(Machine::new(stem, source.clone(), &definition));
        }
        let binaries = self.manifests.iter().map(|(name, text)| (name.clone(), binary(text))).collect();
        Ok(Project { templates, machines, binaries })
    }
}

impl Project {
    /// The application's template.
    pub fn application(&self) -> &Template {
        &self.templates[APPLICATION]
    }

    /// The logical id, the properties and the name of the function that a `${…FunctionArn}` of a machine
    /// stands for.
    pub fn called_function(&self, machine: &Machine, placeholder: &str) -> Option<(String, &Value)> {
        let name = placeholder.strip_prefix("${")?.strip_suffix('}')?;
        let reference = self.substitution(machine, name)?;
        let id = reference.strip_prefix("${")?.strip_suffix(".Arn}")?;
        let properties = self.application().properties(id, "AWS::Serverless::Function")?;
        Some((id.to_owned(), properties))
    }

    /// The properties of the resource that deploys a machine.
    pub fn machine_properties(&self, machine: &Machine) -> Option<&Value> {
        let id = format!("{}StateMachine", upper_camel_case(&machine.name));
        self.application().properties(&id, "AWS::Serverless::StateMachine")
    }

    /// What the template puts in the place of `${name}` in a machine's definition.
    pub fn substitution(&self, machine: &Machine, name: &str) -> Option<&str> {
        text(self.machine_properties(machine)?, &["DefinitionSubstitutions", name])
    }
}

impl Template {
    /// The resources of a type: logical id and properties.
    pub fn resources(&self, kind: &str) -> Vec<(&str, &Value)> {
        let resources = self.document.get("Resources").and_then(Value::as_mapping);
        resources
            .into_iter()
            .flatten()
            .filter(|(_, resource)| text(resource, &["Type"]) == Some(kind))
            .filter_map(|(id, resource)| Some((id.as_str()?, resource.get("Properties")?)))
            .collect()
    }

    /// The properties of one resource, where it is of the type.
    pub fn properties(&self, id: &str, kind: &str) -> Option<&Value> {
        self.resources(kind).into_iter().find(|(name, _)| *name == id).map(|(_, properties)| properties)
    }

    /// A number as a template gives it: itself, or the default of the parameter that it refers to.
    pub fn number(&self, value: &Value) -> Option<u64> {
        let parameter = value.as_str().and_then(|text| text.strip_prefix("${")?.strip_suffix('}'));
        match parameter {
            Some(name) => at(&self.document, &["Parameters", name, "Default"])?.as_u64(),
            None => value.as_u64(),
        }
    }
}

/// The name of the binary that a manifest makes: its `[[bin]]`'s, else its package's.
fn binary(manifest: &str) -> String {
    let section = if manifest.contains("[[bin]]") { "[[bin]]" } else { "[package]" };
    manifest
        .lines()
        .skip_while(|line| line.trim() != section)
        .find_map(|line| line.strip_prefix("name")?.trim_start().strip_prefix('='))
        .map(|value| value.trim().trim_matches('"').to_owned())
        .unwrap_or_default()
}

fn files(directory: &Path, suffix: &str) -> Result<BTreeMap<String, String>, Unreadable> {
    let mut found = BTreeMap::new();
    for path in entries(directory)? {
        let name = file_name(&path);
        if name.ends_with(suffix) && path.is_file() {
            found.insert(name, read(&path)?);
        }
    }
    Ok(found)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Unreadable> {
    let failed = |source| Unreadable::File { path: directory.to_owned(), source };
    fs::read_dir(directory)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect()
}

fn read(path: &Path) -> Result<String, Unreadable> {
    fs::read_to_string(path).map_err(|source| Unreadable::File { path: path.to_owned(), source })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
