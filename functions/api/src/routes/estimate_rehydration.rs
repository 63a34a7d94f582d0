//! `GET /instances/{instance}/recovery-points/{point}/rehydration`

use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::tiering::{Estimate, PriceList, estimate};
use permafrost_domain::wire::RehydrateRequest;
use permafrost_domain::{Code, Fault};

use super::rehydrate::check_archived;
use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Estimate a rehydration", "How long it takes at most and about what it costs to copy a point of the archive store back for some days; nothing is started.")
        .answer::<Estimate>(200, "The estimate.")
        .faults(&[
            Code::InstanceNotFound,
            Code::RecoveryPointNotFound,
            Code::RecoveryPointNotArchived,
        ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked = RehydrateRequest {
        priority: request.query("priority")?.unwrap_or_default(),
        days: request.query("days")?.unwrap_or_default(),
    };
    let selector = request.point()?;
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    let point = super::find_point(api, &instance, selector).await?;
    Answer::ok(&estimated(&point, asked)?)
}

/// What rehydrating `point` takes and costs.
fn estimated(point: &RecoveryPoint, asked: RehydrateRequest) -> Result<Estimate, Fault> {
    check_archived(point)?;
    let archive = point.archive.as_ref().ok_or_else(|| {
        Fault::new(Code::CatalogRecordInvalid, "the point is archived, and it is not said where")
            .on(format!("recovery point {}", point.id))
    })?;
    let (bytes, objects, prices) = (point.stored_bytes, point.segments, &PriceList::US_EAST_1);
    Ok(estimate(bytes, objects, archive.class, asked.priority, asked.days, prices))
}

#[cfg(test)]
mod tests {
    use permafrost_domain::recovery_point::PointState;
    use permafrost_domain::tiering::{ArchiveClass, RetrievalTier};
    use serde_json::{from_value, json};

    use super::*;
    use crate::routes::samples;

    fn point(state: PointState) -> RecoveryPoint {
        let archive = json!({"key": "k", "version": "v", "sha256": "00", "class": "deep_archive"});
        let archive = Some(from_value(archive).unwrap());
        RecoveryPoint { stored_bytes: 107_374_182_400, segments: 1_600, archive, ..samples::point(state) }
    }

    #[test]
    fn an_archived_point_is_estimated_by_its_class_and_size() {
        let asked = RehydrateRequest::default();
        let standard = estimated(&point(PointState::Archived), asked).unwrap();
        assert_eq!((standard.class, standard.tier), (ArchiveClass::DeepArchive, RetrievalTier::Bulk));
        assert_eq!(standard.takes_at_most().as_hours(), 48);
        let high = RehydrateRequest { priority: "high".parse().unwrap(), ..asked };
        let high = estimated(&point(PointState::Archived), high).unwrap();
        assert_eq!(high.takes_at_most().as_hours(), 12);
        assert!(high.cost() > standard.cost());
    }

    #[test]
    fn a_point_of_the_backup_store_has_nothing_to_estimate() {
        for state in [PointState::Available, PointState::Archiving, PointState::Expired, PointState::Damaged]
        {
            let fault = estimated(&point(state), RehydrateRequest::default()).unwrap_err();
            assert_eq!(fault.code, Code::RecoveryPointNotArchived, "{state:?}");
        }
    }
}
