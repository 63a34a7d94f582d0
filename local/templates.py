"""A deployed template with its references resolved, as far as settings need it.

Resolves `Ref` to parameters and resources, `Fn::GetAtt ... Arn` of keys, and `Fn::If`: what the settings that are held
against a deployment are made of. Anything else stays as written, and comparing with it shows a difference.
"""

from pathlib import Path

import samtranslator.yaml_helper

from local.console import Problem


class Template:
    """One stack's template, its parameters and the physical ids of its resources."""

    def __init__(self, cloudformation, stack: str, path: Path):
        self.source = samtranslator.yaml_helper.yaml_parse(path.read_text())
        self.stack = stack
        description = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        self.parameters = {
            name: definition.get("Default") for name, definition in self.source.get("Parameters", {}).items()
        }
        for parameter in description.get("Parameters", []):
            self.parameters[parameter["ParameterKey"]] = parameter["ParameterValue"]
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        self.physical_ids = {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for page in pages
            for resource in page["StackResourceSummaries"]
        }
        self.partition, _, self.region, self.account = description["StackId"].split(":")[1:5]

    def physical_id(self, resource: str) -> str:
        """The deployed resource's own name."""
        try:
            return self.physical_ids[resource]
        except KeyError as error:
            raise Problem(
                f"the stack {self.stack} has no resource {resource}",
                "Deploy it again; it is older than its template.",
            ) from error

    def resources_of_type(self, *types: str) -> list[str]:
        """The names of the template's resources of these types that are deployed."""
        resources = self.source["Resources"]
        return [name for name, value in resources.items() if value["Type"] in types and name in self.physical_ids]

    def properties(self, resource: str) -> dict:
        """A resource's properties, resolved."""
        return self.resolve(self.source["Resources"][resource]["Properties"])

    def resolve(self, value):
        """The value with its references resolved."""
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, argument), *_ = value.items()
            if function == "Ref":
                return self.reference(argument)
            if function == "Fn::GetAtt":
                return self.attribute(argument)
            if function == "Fn::If":
                condition, then, otherwise = argument
                return self.resolve(then if self.condition(condition) else otherwise)
        return {name: self.resolve(item) for name, item in value.items()}

    def reference(self, name: str):
        """What `Ref` gives: a parameter's value, a resource's name, nothing for `AWS::NoValue`."""
        if name == "AWS::NoValue":
            return None
        if name in self.parameters:
            return self.parameters[name]
        # SAM deploys some resources, layers among them, under names of its own making.
        return self.physical_ids.get(name, {"Ref": name})

    def attribute(self, argument):
        """What `Fn::GetAtt` gives, for a key's ARN."""
        resource, attribute = argument.split(".") if isinstance(argument, str) else argument
        if attribute == "Arn" and self.source["Resources"][resource]["Type"] == "AWS::KMS::Key":
            return f"arn:{self.partition}:kms:{self.region}:{self.account}:key/{self.physical_id(resource)}"
        return {"Fn::GetAtt": [resource, attribute]}

    def condition(self, name: str) -> bool:
        """Whether one of the template's conditions holds."""
        return self.evaluate(self.source["Conditions"][name])

    def evaluate(self, expression: dict) -> bool:
        """A condition's value, for the functions conditions are made of."""
        (function, argument), *_ = expression.items()
        if function == "Fn::Equals":
            left, right = self.resolve(argument)
            return left == right
        if function == "Fn::Not":
            return not self.evaluate(argument[0])
        if function == "Fn::And":
            return all(self.evaluate(item) for item in argument)
        if function == "Fn::Or":
            return any(self.evaluate(item) for item in argument)
        if function == "Condition":
            return self.condition(argument)
        raise Problem(f"the condition function {function} is not understood here", "Teach local/templates.py.")
