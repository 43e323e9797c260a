"""Deletion policies of CloudFormation, of which LocalStack knows Retain only."""

from localstack.services.cloudformation.engine.v2.change_set_model_preproc import DeletionPolicy, PreprocResource
from localstack.utils.patch import patch


def retain_except_on_create() -> None:
    """Treat RetainExceptOnCreate as Retain: LocalStack does not roll back the creation of a stack."""

    @patch(PreprocResource.__init__)
    def init(fn, self: PreprocResource, *args, **kwargs) -> None:
        fn(self, *args, **kwargs)
        if self.deletion_policy == DeletionPolicy.RetainExceptOnCreate:
            self.deletion_policy = DeletionPolicy.Retain
